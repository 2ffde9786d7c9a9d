"""Labelled and unlabelled images together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tresnet_tasks.datasets import ConcatImages, EpochIndex, UnlabelledFolder, collate
from tresnet_tasks.registry import DATA_SAMPLERS, DATASETS

PIPELINE: list[dict[str, Any]] = [
    {"type": "LoadImage"},
    {"type": "TorchVision", "name": "RandAugment"},
    {"type": "PackClsInputs"},
]


@pytest.fixture
def rest(flowers: Path, write_image: Callable[..., Path]) -> dict[str, Any]:
    """Three images, in folders inside each other."""
    for seed, name in enumerate(("rest/a.png", "rest/deep/b.png", "rest/deep/c.png")):
        write_image(flowers / name, seed=100 + seed)
    return {
        "type": "UnlabelledFolder",
        "data_root": flowers,
        "data_prefix": "rest",
        "pipeline": PIPELINE,
    }


@pytest.fixture
def known(flowers: Path) -> dict[str, Any]:
    return {"type": "ImageFolder", "data_root": flowers, "pipeline": PIPELINE}


def build(**datasets: dict[str, Any]) -> ConcatImages:
    built: ConcatImages = DATASETS.build({"type": "ConcatImages", "datasets": datasets})
    return built


def test_an_unlabelled_folder_has_images_and_nothing_else(rest: dict[str, Any]) -> None:
    dataset: UnlabelledFolder = DATASETS.build(rest)
    assert [Path(dataset.img_path(i)).name for i in range(3)] == ["a.png", "b.png", "c.png"]
    assert set(dataset[0]["data_samples"].keys()) == set()
    assert dataset.metainfo == {"classes": None, "task": "unlabelled"}


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        UnlabelledFolder(tmp_path, "nowhere")


def test_images_come_one_data_set_after_the_other(
    known: dict[str, Any], rest: dict[str, Any]
) -> None:
    dataset = build(known=known, rest=rest)
    assert (len(dataset), dataset.sizes) == (15, {"known": 12, "rest": 3})
    labelled = ["gt_label" in dataset[i]["data_samples"] for i in range(15)]
    assert labelled == [True] * 12 + [False] * 3
    assert [dataset[i]["data_samples"].sample_idx for i in range(15)] == list(range(15))
    assert dataset.metainfo == {"classes": ("daisy", "rose", "tulip"), "task": "single_label"}
    assert dataset.get_data_info(13)["img_path"].endswith("b.png")
    assert [dataset.get_cat_ids(i) for i in (0, 11, 12)] == [[0], [2], []]
    assert dataset.label_counts()[0].tolist() == [4, 4, 4]


def test_the_labelled_ones_tell_the_classes_wherever_they_stand(
    known: dict[str, Any], rest: dict[str, Any]
) -> None:
    assert build(rest=rest, known=known).metainfo["classes"] == ("daisy", "rose", "tulip")


def test_augmentations_differ_from_epoch_to_epoch(
    known: dict[str, Any], rest: dict[str, Any]
) -> None:
    dataset = build(known=known, rest=rest)
    for index in (0, 13):
        drawn = [dataset[EpochIndex(index, epoch)]["inputs"] for epoch in (0, 0, 1, 2, 3)]
        assert torch.equal(drawn[0], drawn[1])
        assert any(not torch.equal(drawn[0], other) for other in drawn[2:])


def test_a_labelled_reader_gives_its_images_without_labels(known: dict[str, Any]) -> None:
    steps = [*PIPELINE[:-1], {"type": "PackClsInputs", "labels": False}]
    dataset = build(known=known, rest={**known, "pipeline": steps})
    batch = collate(dataset.__getitems__([0, 12, 23]))
    assert ["gt_label" in sample for sample in batch["data_samples"]] == [True, False, False]


def test_steps_of_so_many_of_each(known: dict[str, Any], rest: dict[str, Any]) -> None:
    sampler = DATA_SAMPLERS.build(
        {"type": "TaskSampler", "images": {"known": 1, "rest": 3}, "seed": 0, "batch_size": 4},
        default_args={"dataset": build(known=known, rest=rest)},
    )
    steps = torch.tensor(list(sampler)).view(-1, 4)
    assert len(steps) == 12  # one pass over the known ones
    assert (steps[:, :1] < 12).all() and (steps[:, 1:] >= 12).all()


def test_other_classes_are_refused(known: dict[str, Any]) -> None:
    other = {**known, "classes": ("rose", "daisy", "tulip")}
    with pytest.raises(ValueError, match=r"'one' has the classes .*'daisy', 'rose'.* and 'two'"):
        build(one=known, two=other)


def test_unlabelled_ones_alone_are_refused(rest: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="none of the data sets rest of ConcatImages has labels"):
        build(rest=rest)
