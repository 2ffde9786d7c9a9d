"""Pascal VOC's xml: what is read from it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.datasets import VocDetection

OBJECT = """<object><name>{}</name><difficult>{}</difficult><bndbox>
<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""
SIZE = "<size><width>32</width><height>24</height><depth>3</depth></size>"
CAT = OBJECT.format("cat", 0, 5, 4, 14, 15)
DOG = OBJECT.format("dog", 1, 21, 11, 28, 16)


@pytest.fixture
def voc(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    """VOC's folders with a cat and a difficult dog on ``one``, nothing on ``two 2``."""
    for folder in ("Annotations", "ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True)
    _write(tmp_path, "one", CAT + DOG)
    _write(tmp_path, "two 2", "")
    (tmp_path / "ImageSets/Main/train.txt").write_text("one\ntwo 2\n")
    for name in ("one", "two 2"):
        write_image(tmp_path / "JPEGImages" / f"{name}.png")
    return tmp_path


def _write(root: Path, name: str, objects: str, size: str = SIZE, filename: str = "") -> None:
    text = f"<annotation><filename>{filename}</filename>{size}{objects}</annotation>"
    (root / "Annotations" / f"{name}.xml").write_text(text)


def _read(root: Path, ann_file: str | None = "ImageSets/Main/train.txt", **kwargs: Any) -> Any:
    return VocDetection(ann_file, root, **kwargs)


def test_boxes_are_edges_counted_from_0(voc: Path) -> None:
    found = _read(voc).get_data_info(0)
    assert [i["bbox"] for i in found["instances"]] == [[4, 3, 14, 15], [20, 10, 28, 16]]
    assert [i["ignore_flag"] for i in found["instances"]] == [0, 1]  # difficult
    assert (found["height"], found["width"], found["img_id"]) == (24, 32, "one")


def test_numbers_are_taken_as_they_are_on_request(voc: Path) -> None:
    found = _read(voc, one_based=False).get_data_info(0)["instances"]
    assert found[0]["bbox"] == [5, 4, 14, 15]


def test_classes_are_the_names_that_occur(voc: Path) -> None:
    assert _read(voc).metainfo == {"classes": ("cat", "dog"), "task": "detection"}
    arguments = dict(ann_file="ImageSets/Main/train.txt", data_root=voc)
    assert VocDetection.class_names(**arguments) == ("cat", "dog")
    assert VocDetection.class_names(**arguments, classes=["dog", "cat"]) == ("dog", "cat")


def test_a_class_that_does_not_occur_here_may_occur_elsewhere(voc: Path) -> None:
    dataset = _read(voc, classes=("bird", "dog", "cat"))
    assert dataset.get_data_info(0)["instances"][0]["bbox_label"] == 2


def test_a_name_that_is_no_class_is_refused_with_both_lists(voc: Path) -> None:
    with pytest.raises(ValueError, match="differ") as error:
        _read(voc, classes=("cat", "dogs"))
    assert "'dog' is not among `classes`. Did you mean 'dogs'?" in str(error.value)
    assert "(2): cat, dogs" in str(error.value)
    assert "(2): cat, dog\n" in str(error.value)
    dataset = _read(voc, classes=("cat", "dogs"), strict_classes=False)
    assert len(dataset.get_data_info(0)["instances"]) == 1


def test_an_xml_without_objects_is_background(voc: Path) -> None:
    dataset = _read(voc)
    assert len(dataset) == 2
    assert dataset.get_data_info(1)["instances"] == []


def test_without_an_image_set_every_xml_is_read(voc: Path) -> None:
    dataset = _read(voc, None)
    assert [dataset.get_data_info(i)["img_id"] for i in range(2)] == ["one", "two 2"]


def test_the_image_set_of_a_class_has_marks(voc: Path) -> None:
    (voc / "set.txt").write_text("one  1\ntwo 2 -1\n\n")
    dataset = _read(voc, "set.txt")
    assert [dataset.get_data_info(i)["img_id"] for i in range(2)] == ["one", "two 2"]


def test_of_several_images_of_a_name_the_xml_decides(
    voc: Path, write_image: Callable[..., Path]
) -> None:
    write_image(voc / "JPEGImages/one.bmp")
    _write(voc, "one", CAT, filename="one.bmp")
    assert _read(voc).get_data_info(0)["img_path"].endswith("one.bmp")


@pytest.mark.parametrize("size", ["", "<size><width>0</width><height>0</height></size>"])
def test_a_size_that_is_not_written_is_read_from_the_image(voc: Path, size: str) -> None:
    _write(voc, "one", CAT, size)
    found = _read(voc).get_data_info(0)
    assert (found["height"], found["width"]) == (24, 32)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<annotation><object>", r"one.xml is not XML \(no element found: line 1"),
        ("", r"one.xml is not XML"),
        ("<html></html>", "begins with <html>; expected Pascal VOC's <annotation>"),
        (f"<annotation>{OBJECT.format('', 0, 1, 1, 5, 5)}</annotation>", "has no name"),
        (f"<annotation>{OBJECT.format('cat', 0, 1, 'x', 5, 5)}</annotation>", "not four numbers"),
        ("<annotation><object><name>cat</name></object></annotation>", "has no <bndbox>"),
    ],
)
def test_a_broken_xml_is_named(voc: Path, text: str, said: str) -> None:
    (voc / "Annotations/one.xml").write_text(text)
    with pytest.raises(ValueError, match=said) as error:
        _read(voc)
    assert str(voc / "Annotations/one.xml") in str(error.value)


def test_a_missing_xml_image_or_set_is_named(voc: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"val\.txt"):
        _read(voc, "ImageSets/Main/val.txt")
    (voc / "JPEGImages/one.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of the 2 images .*\n.*one.jpg"):
        _read(voc)
    (voc / "Annotations/one.xml").unlink()
    with pytest.raises(FileNotFoundError, match=r"one\.xml"):
        _read(voc)
    with pytest.raises(FileNotFoundError, match="no xml file in"):
        _read(voc, None, ann_prefix="none")


def test_an_image_that_is_named_twice(voc: Path) -> None:
    (voc / "set.txt").write_text("one\none\n")
    with pytest.raises(ValueError, match="names 'one' more than once"):
        _read(voc, "set.txt")


def test_an_image_set_without_a_name(voc: Path) -> None:
    (voc / "set.txt").write_text("\n")
    with pytest.raises(ValueError, match="names no image"):
        _read(voc, "set.txt")


def test_the_two_boxes_without_area_of_real_data_are_dropped_or_refused(real_data: Path) -> None:
    root = real_data / "bccd" / "BCCD"
    dataset = VocDetection(None, root)
    assert len(dataset) == 364
    assert dataset.metainfo["classes"] == ("Platelets", "RBC", "WBC")
    assert dataset.box_counts() == [361, 4155 - 2, 372]
    with pytest.raises(ValueError, match="2 without area") as error:
        VocDetection(None, root, on_bad_box="raise")
    assert "BloodImage_00343.jpg" in str(error.value)
    assert "BloodImage_00338.jpg" in str(error.value)


def test_the_splits_of_real_data_are_as_its_sets_say(real_data: Path) -> None:
    root = real_data / "bccd" / "BCCD"
    sizes = [
        len(VocDetection(f"ImageSets/Main/{split}.txt", root)) for split in ("train", "val", "test")
    ]
    assert sizes == [205, 87, 72]
