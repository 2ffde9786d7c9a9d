"""The embedded data set as tags: every digit of a scene."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tresnet_tasks.datasets import DigitScenes


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "scenes"
    DigitScenes(folder, num_train=12, num_val=2)
    return folder


def test_the_tags_are_all_digits_of_the_scene(root: Path) -> None:
    dataset = DigitScenes(root, task="tags", num_train=12, num_val=2)
    annotations = json.loads((root / "annotations" / "train.json").read_text())["annotations"]
    for index in range(12):
        digits = {a["category_id"] - 1 for a in annotations if a["image_id"] == index + 1}
        assert set(dataset.get_cat_ids(index)) == digits
    assert dataset.metainfo["task"] == "multi_label"


def test_the_largest_digit_is_among_the_tags_whatever_the_order(root: Path) -> None:
    names = list("9876543210")
    tags = DigitScenes(root, task="tags", num_train=12, num_val=2, classes=names)
    largest = DigitScenes(root, num_train=12, num_val=2, classes=names)
    assert all(largest.gt_labels[i] in tags.get_cat_ids(i) for i in range(12))
    with pytest.raises(ValueError, match="has several labels an image"):
        _ = tags.gt_labels


@pytest.mark.parametrize(("task", "expected"), [("tags", "multi_label"), ("cls", "single_label")])
def test_the_task_is_known_before_anything_is_drawn(task: str, expected: str) -> None:
    assert DigitScenes.label_task(task=task) == expected
