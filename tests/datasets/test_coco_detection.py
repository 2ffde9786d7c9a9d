"""COCO's json: what is read from it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tresnet_tasks.datasets import CocoDetection

WriteCoco = Callable[..., Path]


def _instances(dataset: CocoDetection, index: int = 0) -> list[tuple[Any, ...]]:
    found = dataset.get_data_info(index)["instances"]
    return [(i["bbox_label"], i["bbox"], i["ignore_flag"], i["area"]) for i in found]


def test_boxes_are_corners_and_labels_follow_the_ids_of_the_categories(
    write_coco: WriteCoco,
) -> None:
    dataset = CocoDetection(write_coco(), write_coco().parent)
    assert dataset.metainfo == {
        "classes": ("dog", "cat"),
        "task": "detection",
        "category_ids": (3, 5),
    }
    assert _instances(dataset) == [(1, [4, 3, 14, 15], 0, 100), (0, [20, 10, 28, 16], 0, 40)]
    info = dataset.get_data_info(0)
    assert (info["img_id"], info["height"], info["width"]) == (7, 24, 32)


def test_classes_in_another_order_give_other_labels(write_coco: WriteCoco) -> None:
    dataset = CocoDetection(write_coco(), write_coco().parent, classes=("cat", "dog"))
    assert [label for label, *_ in _instances(dataset)] == [0, 1]
    assert dataset.metainfo["category_ids"] == (5, 3)


def test_images_without_boxes_stay_as_background(write_coco: WriteCoco) -> None:
    dataset = CocoDetection(write_coco(), write_coco().parent)
    assert len(dataset) == 2
    assert _instances(dataset, 1) == []
    assert dataset.get_cat_ids(1) == []


def test_crowds_are_ignored(write_coco: WriteCoco) -> None:
    def crowd(content: dict[str, Any]) -> None:
        content["annotations"][0]["iscrowd"] = 1

    dataset = CocoDetection(write_coco(crowd), write_coco(crowd).parent)
    assert [ignored for *_, ignored, _ in _instances(dataset)] == [1, 0]
    assert dataset.get_cat_ids(0) == [0]
    assert dataset.box_counts() == [1, 0]


def test_masks_are_kept_where_they_are_asked_for(write_coco: WriteCoco) -> None:
    path = write_coco()
    plain, masked = (CocoDetection(path, path.parent, with_masks=w) for w in (None, True))
    assert "mask" not in plain.get_data_info(0)["instances"][0]
    assert masked.get_data_info(0)["instances"][0]["mask"] == [[4, 3, 14, 3, 14, 15, 4, 15]]


def test_a_missing_mask_is_an_error_where_masks_are_asked_for(write_coco: WriteCoco) -> None:
    path = write_coco(lambda content: content["annotations"][1].pop("segmentation"))
    with pytest.raises(ValueError, match=r"box \[20, 10, 28, 16\] of .*a.png has no mask"):
        CocoDetection(path, path.parent, with_masks=True)


def test_names_are_read_without_the_rest_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text('{"categories": [{"id": 2, "name": "b"}, {"id": 1, "name": "a"}], "images": [')
    assert CocoDetection.class_names(ann_file="cut.json", data_root=tmp_path) == ("a", "b")
    assert CocoDetection.class_names(ann_file="cut.json", classes=["x"]) == ("x",)


def test_what_is_read_of_real_photographs_is_what_mmdet_reads(real_data: Path) -> None:
    from mmdet.datasets import CocoDataset

    root, name = real_data / "coco_open", "annotations/instances_val2017.json"
    ours = CocoDetection(name, root, "val2017", with_masks=True)
    theirs = CocoDataset(ann_file=name, data_root=str(root), data_prefix=dict(img="val2017"))
    assert ours.metainfo["classes"] == theirs.metainfo["classes"]
    assert len(ours) == len(theirs) == 49
    for index in range(len(ours)):
        mine, other = ours.get_data_info(index), theirs.get_data_info(index)
        assert mine["img_id"] == other["img_id"]
        assert Path(mine["img_path"]) == Path(other["img_path"])
        assert (mine["height"], mine["width"]) == (other["height"], other["width"])
        assert len(mine["instances"]) == len(other["instances"])
        for a, b in zip(mine["instances"], other["instances"], strict=True):
            np.testing.assert_allclose(a["bbox"], b["bbox"], rtol=1e-12)
            assert [a[k] for k in ("bbox_label", "ignore_flag", "mask")] == [
                b[k] for k in ("bbox_label", "ignore_flag", "mask")
            ]


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (("dgo", "cat"), "'dog' is not among `classes`. Did you mean 'dgo'?"),
        (("dog", "cat", "bird"), "'bird' is not in the annotations."),
        (("cat",), "'dog' is not among `classes`."),
    ],
)
def test_other_classes_are_refused_with_both_lists(
    write_coco: WriteCoco, classes: tuple[str, ...], said: str
) -> None:
    path = write_coco()
    with pytest.raises(ValueError, match="differ") as error:
        CocoDetection(path, path.parent, classes=classes)
    assert said in str(error.value)
    assert f"`classes` ({len(classes)}): {', '.join(classes)}" in str(error.value)
    assert f"{path} (2): dog, cat" in str(error.value)


def test_some_classes_alone_are_read_on_request(write_coco: WriteCoco) -> None:
    path = write_coco()
    dataset = CocoDetection(path, path.parent, classes=("bird", "cat"), strict_classes=False)
    assert _instances(dataset) == [(1, [4, 3, 14, 15], 0, 100)]
    assert dataset.metainfo["category_ids"] == (-1, 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ('{"images": [', "is not JSON"),
        ("{}", "has no images, annotations, categories"),
        ('[{"image_id": 1, "score": 0.5}]', "has no images, annotations, categories"),
        ('{"shapes": []}', "expected COCO annotations"),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "coco.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=said) as error:
        CocoDetection(path)
    assert str(path) in str(error.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none.json; it should hold COCO annotations"):
        CocoDetection("none.json", tmp_path)


@pytest.mark.parametrize(
    ("section", "field", "value", "said"),
    [
        ("annotations", "category_id", 4, "annotation 2 has category_id=4"),
        ("annotations", "image_id", 8, "annotation 2 has image_id=8"),
        ("annotations", "id", 1, "`annotations` has the id 1 more than once"),
        ("images", "id", 7, "`images` has the id 7 more than once"),
        ("categories", "name", "cat", "`categories` has the name 'cat' more than once"),
        ("annotations", "bbox", [1, 2, 3], r"annotation 2 has bbox=\[1, 2, 3\]; expected four"),
        ("annotations", "bbox", None, "annotation 2 has bbox=None; expected four"),
        ("images", "width", None, "image 9 has height=24, width=None"),
        ("images", "file_name", None, "`images` has .*expected its 'file_name' too"),
        ("categories", "name", None, "`categories` has .*expected its 'name' too"),
    ],
)
def test_a_file_that_contradicts_itself(
    write_coco: WriteCoco, section: str, field: str, value: Any, said: str
) -> None:
    path = write_coco(lambda content: content[section][1].update({field: value}))
    with pytest.raises(ValueError, match=said) as error:
        CocoDetection(path, path.parent)
    assert str(path) in str(error.value)


def test_a_category_id_that_occurs_twice(write_coco: WriteCoco) -> None:
    path = write_coco(lambda content: content["categories"].append(dict(id=5, name="bird")))
    with pytest.raises(ValueError, match="`categories` has the id 5 more than once"):
        CocoDetection(path, path.parent)


def test_an_annotation_of_an_image_file_that_is_missing(write_coco: WriteCoco) -> None:
    path = write_coco()
    (path.parent / "b.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of the 2 images .* do not exist:\n.*b.png"):
        CocoDetection(path, path.parent)
    assert len(CocoDetection(path, path.parent, on_error="skip")) == 2


def test_a_json_with_a_byte_order_mark(write_coco: WriteCoco) -> None:
    path = write_coco()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert CocoDetection.class_names(ann_file=path) == ("dog", "cat")
    assert len(CocoDetection(path, path.parent)) == 2


def test_sizes_that_are_written_with_a_point_are_whole_numbers(write_coco: WriteCoco) -> None:
    path = write_coco(lambda content: content["images"][0].update(height=24.0, width=32.0))
    dataset = CocoDetection(path, path.parent, pipeline=[dict(type="LoadImage")])
    assert (dataset[0]["height"], dataset[0]["width"]) == (24, 32)


def test_it_is_built_by_name(write_coco: WriteCoco) -> None:
    from tresnet_tasks.registry import DATASETS

    path = write_coco()
    built = DATASETS.build(dict(type="CocoDetection", ann_file=path.name, data_root=path.parent))
    assert len(built) == 2
    assert json.loads(path.read_text())["images"][0]["id"] == built.get_data_info(0)["img_id"]
