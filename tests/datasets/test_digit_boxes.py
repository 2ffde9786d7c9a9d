"""The boxes of the embedded scenes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tresnet_tasks.datasets import DigitScenes
from tresnet_tasks.datasets.digit_scenes_render import render_scene
from tresnet_tasks.registry import DATASETS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes") / "digits"


def test_every_digit_has_its_box(root: Path) -> None:
    dataset = DATASETS.build(
        dict(type="DigitScenes", task="det", data_root=root, num_train=5, num_val=3)
    )
    assert dataset.metainfo["classes"] == tuple("0123456789")
    assert dataset.metainfo["task"] == "detection"
    assert len(dataset) == 5
    for index in range(5):
        digits = render_scene("train", index).digits
        found = dataset.get_data_info(index)["instances"]
        corners = [(x, y, x + w, y + h) for x, y, w, h in (digit.bbox for digit in digits)]
        assert [tuple(instance["bbox"]) for instance in found] == corners
        assert dataset.get_cat_ids(index) == [digit.label for digit in digits]


def test_fewer_scenes_are_the_first_of_more(root: Path) -> None:
    DigitScenes(root, "val", "det", num_train=5, num_val=3)
    assert len(DigitScenes(root, "val", "det", num_train=5, num_val=2)) == 2


def test_its_task_is_known_before_it_is_built() -> None:
    assert DigitScenes.label_task(task="det") == "detection"
    assert DigitScenes.class_names(task="det", data_root="/nowhere") == tuple("0123456789")


def test_an_unknown_split(root: Path) -> None:
    with pytest.raises(ValueError, match="must be 'train' or 'val'"):
        DigitScenes(root, "test", "det")
