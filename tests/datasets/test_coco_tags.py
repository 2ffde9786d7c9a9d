from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.datasets import CocoTags

COCO: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.png"}, {"id": 3, "file_name": "b.png"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 90, "bbox": [0, 0, 1, 1], "iscrowd": 1},
        {"id": 2, "image_id": 7, "category_id": 90, "bbox": [0, 0, 2, 2], "iscrowd": 0},
        {"id": 3, "image_id": 7, "category_id": 1, "bbox": [0, 0, 2, 2], "iscrowd": 0},
    ],
    "categories": [
        {"id": 90, "name": "toothbrush"},
        {"id": 1, "name": "person"},
        {"id": 5, "name": "car"},
    ],
}


@pytest.fixture
def root(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    for image in COCO["images"]:
        write_image(tmp_path / "images" / image["file_name"])
    (tmp_path / "ann.json").write_text(json.dumps(COCO))
    return tmp_path


def read(root: Path, **kwargs: Any) -> CocoTags:
    return CocoTags("ann.json", root, "images", **kwargs)


def test_boxes_become_labels_in_the_order_of_the_category_ids(root: Path) -> None:
    dataset = read(root)
    assert dataset.classes == ("person", "car", "toothbrush")
    assert dataset.get_data_info(0)["gt_score"].tolist() == [1, 0, 1]
    assert CocoTags.class_names(ann_file="ann.json", data_root=root) == dataset.classes


def test_images_without_annotations_are_left_out_unless_asked_for(root: Path) -> None:
    assert len(read(root)) == 1
    with pytest.warns(UserWarning, match="1 of 2 images have no label"):
        every = read(root, only_annotated=False)
    assert every.get_data_info(1)["gt_score"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"annotations": [{"id": 9, "image_id": 8, "category_id": 1}]},
            "annotation 9 has image_id=8",
        ),
        (
            {"annotations": [{"id": 9, "image_id": 7, "category_id": 2}]},
            "category_id=2, which is not",
        ),
        ({"annotations": [], "categories": [{"id": 1}]}, "a record is not as COCO's are"),
    ],
)
def test_a_damaged_record_is_named(change: dict[str, Any], message: str, root: Path) -> None:
    (root / "ann.json").write_text(json.dumps({**COCO, **change}))
    with pytest.raises(ValueError, match=message):
        read(root)


def test_a_file_of_another_format_is_refused(root: Path) -> None:
    (root / "ann.json").write_text(json.dumps({"images": []}))
    with pytest.raises(ValueError, match="has no annotations, categories; expected COCO"):
        read(root)
    (root / "ann.json").write_text('{"images": [')
    with pytest.raises(ValueError, match="is not JSON"):
        read(root)
    with pytest.raises(FileNotFoundError, match="it should hold COCO annotations"):
        CocoTags("other.json", root)


def test_it_agrees_with_pycocotools_on_real_photographs(
    real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pycocotools.coco import COCO as Oracle

    root = real_data / "coco_open"
    dataset = CocoTags("annotations/instances_train2017.json", root, "train2017")
    oracle = Oracle(str(root / "annotations/instances_train2017.json"))
    order = sorted(oracle.getCatIds())
    expected = {
        image["file_name"]: {order.index(a["category_id"]) for a in oracle.imgToAnns[image["id"]]}
        for image in oracle.dataset["images"]
        if oracle.imgToAnns[image["id"]]
    }
    got = {
        Path(dataset.get_data_info(i)["img_path"]).name: set(dataset.get_cat_ids(i))
        for i in range(len(dataset))
    }
    assert got == expected
    assert len(dataset.classes) == 80
