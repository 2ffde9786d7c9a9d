"""Images with labels for several heads, from one annotated set or from several sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tresnet_tasks.datasets import EpochIndex, JointDataset, MultiTaskDataset, collate
from tresnet_tasks.registry import DATASETS
from tresnet_tasks.structures import MultiTaskDataSample

PIPELINE: list[dict[str, Any]] = [
    {"type": "LoadImage"},
    {"type": "mmdet.LoadAnnotations", "with_bbox": True},
    {"type": "mmdet.RandomFlip", "prob": 1.0},
    {"type": "PackTasks"},
]


@pytest.fixture
def scenes(tmp_path: Path) -> dict[str, Any]:
    return {"data_root": tmp_path / "scenes", "num_train": 6, "num_val": 3}


def joint(scenes: dict[str, Any], **settings: Any) -> JointDataset:
    readers = {
        name: {"type": "DigitScenes", "task": task, **scenes}
        for name, task in {"cls": "cls", "tags": "tags"}.items()
    }
    readers["boxes"] = {
        "type": "CocoDetection",
        "data_root": scenes["data_root"],
        "ann_file": "annotations/train.json",
        "data_prefix": "train",
    }
    built: JointDataset = DATASETS.build(
        {"type": "JointDataset", "readers": readers, "pipeline": PIPELINE, **settings}
    )
    return built


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / "folder" / name).mkdir(parents=True)
        for number in range(2):
            pixels = np.full((20, 24, 3), 40 * number, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "folder" / name / f"{number}.png")
    return tmp_path / "folder"


def test_each_head_gets_its_own_labels(scenes: dict[str, Any]) -> None:
    dataset = joint(scenes)
    assert len(dataset) == 6
    for index in range(6):
        sample = dataset[index]["data_samples"]
        assert isinstance(sample, MultiTaskDataSample)
        shown = set(sample.task("boxes").gt_instances.labels.tolist())
        assert shown == set(sample.task("tags").gt_score.nonzero().flatten().tolist())
        assert int(sample.task("cls").gt_label) in shown


def test_boxes_follow_the_image(scenes: dict[str, Any]) -> None:
    flipped = joint(scenes)[0]["data_samples"].task("boxes").gt_instances.bboxes
    plain = joint(scenes, pipeline=[*PIPELINE[:2], PIPELINE[3]])
    boxes = plain[0]["data_samples"].task("boxes").gt_instances.bboxes
    expected = torch.as_tensor(boxes.tensor).clone()
    expected[:, 0], expected[:, 2] = 64 - expected[:, 2], 64 - expected[:, 0].clone()
    torch.testing.assert_close(torch.as_tensor(flipped.tensor), expected)


def test_the_classes_of_each_head_are_told(scenes: dict[str, Any]) -> None:
    tasks = joint(scenes).metainfo["tasks"]
    assert {name: info["task"] for name, info in tasks.items()} == {
        "cls": "single_label",
        "tags": "multi_label",
        "boxes": "detection",
    }
    assert list(tasks["boxes"]["classes"]) == list("0123456789")


def test_an_image_that_a_reader_does_not_list_has_no_labels_for_its_head(
    scenes: dict[str, Any],
) -> None:
    readers = {
        "cls": {"type": "DigitScenes", **scenes},
        "few": {"type": "DigitScenes", **{**scenes, "num_train": 2}},
    }
    dataset = JointDataset(readers, pipeline=[PIPELINE[0], PIPELINE[3]])
    assert [dataset[i]["data_samples"].labelled("few") for i in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert all(dataset[i]["data_samples"].labelled("cls") for i in range(6))


def test_readers_with_a_pipeline_of_their_own_are_refused(scenes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one pipeline"):
        JointDataset({"cls": {"type": "DigitScenes", "pipeline": PIPELINE, **scenes}})


def test_two_readers_of_boxes_are_refused(scenes: dict[str, Any]) -> None:
    joint(scenes)
    boxes = {
        "type": "CocoDetection",
        "data_root": scenes["data_root"],
        "ann_file": "annotations/train.json",
        "data_prefix": "train",
    }
    with pytest.raises(ValueError, match="one set"):
        JointDataset({"a": boxes, "b": boxes})


def several(scenes: dict[str, Any], folder: Path) -> MultiTaskDataset:
    pipeline = [{"type": "LoadImage"}, {"type": "PackClsInputs"}]
    return MultiTaskDataset(
        {
            "animal": {
                "type": "ImageFolder",
                "data_root": folder,
                "data_prefix": "",
                "pipeline": pipeline,
            },
            "digits": {
                "type": "JointDataset",
                "readers": {"cls": {"type": "DigitScenes", **scenes}},
                "pipeline": [PIPELINE[0], PIPELINE[3]],
            },
        }
    )


def test_data_sets_follow_each_other_and_name_their_heads(
    scenes: dict[str, Any], folder: Path
) -> None:
    dataset = several(scenes, folder)
    assert dataset.sizes == {"animal": 4, "digits": 6}
    assert set(dataset.metainfo["tasks"]) == {"animal", "cls"}
    batch = dataset.__getitems__([5, 0, EpochIndex(3, 1)])
    samples = [item["data_samples"] for item in batch]
    assert [s.source for s in samples] == ["digits", "animal", "animal"]
    assert [s.sample_idx for s in samples] == [5, 0, 3]
    assert [s.labelled("animal") for s in samples] == [False, True, True]
    assert samples[2].task("animal").gt_label.tolist() == [1]


def test_a_batch_of_different_sizes_is_split_by_data_set(
    scenes: dict[str, Any], folder: Path
) -> None:
    from tresnet_tasks.preprocessing import MultiTaskPreprocessor

    batch = collate(several(scenes, folder).__getitems__([0, 4, 1]))
    ready = MultiTaskPreprocessor()(batch, training=True)
    assert [tuple(x.shape) for x in ready["inputs"]] == [(2, 3, 20, 24), (1, 3, 64, 64)]
    assert [s.source for group in ready["data_samples"] for s in group] == [
        *("animal", "animal", "digits")
    ]


def test_two_data_sets_that_feed_a_head_with_other_classes_are_refused(folder: Path) -> None:
    other = folder.parent / "other"
    (other / "bird").mkdir(parents=True)
    Image.fromarray(np.zeros((20, 20, 3), dtype=np.uint8)).save(other / "bird" / "0.png")
    readers = [
        {
            "type": "JointDataset",
            "readers": {"cls": {"type": "ImageFolder", "data_root": root, "data_prefix": ""}},
            "pipeline": [PIPELINE[0], PIPELINE[3]],
        }
        for root in (folder, other)
    ]
    with pytest.raises(ValueError, match="bird"):
        MultiTaskDataset({"one": readers[0], "two": readers[1]})
