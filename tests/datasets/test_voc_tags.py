from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.datasets import VOCTags

OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"""


@pytest.fixture
def root(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    objects = {
        "000001": [("dog", 0), ("dog", 1), ("cat", 1)],
        "000002": [("cat", 1), ("cat", 0)],
    }
    (tmp_path / "Annotations").mkdir()
    for name, found in objects.items():
        write_image(tmp_path / "JPEGImages" / f"{name}.jpg")
        inside = "".join(OBJECT.format(name=n, difficult=d) for n, d in found)
        text = f"<annotation><filename>{name}.jpg</filename>{inside}</annotation>"
        (tmp_path / "Annotations" / f"{name}.xml").write_text(text)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "trainval.txt").write_text("000001\n000002\n")
    (lists / "cat_trainval.txt").write_text("000001  0\n")
    return tmp_path


def scores(root: Path, ann_file: str = "trainval.txt", **kwargs: Any) -> list[list[float]]:
    dataset = VOCTags(f"ImageSets/Main/{ann_file}", root, **kwargs)
    return [dataset.get_data_info(i)["gt_score"].tolist() for i in range(len(dataset))]


def test_a_class_with_difficult_objects_alone_is_unknown(root: Path) -> None:
    assert scores(root) == [[-1, 1], [1, 0]]


@pytest.mark.parametrize("label", [0, 1])
def test_difficult_objects_can_count(label: int, root: Path) -> None:
    assert scores(root, difficult=label)[0] == [label, 1]


def test_a_list_of_one_class_names_images_too(root: Path) -> None:
    assert scores(root, "cat_trainval.txt", classes=["cat", "dog"]) == [[-1, 1]]


def test_the_classes_are_those_of_the_split(root: Path) -> None:
    found = VOCTags.class_names(ann_file="ImageSets/Main/trainval.txt", data_root=root)
    assert found == ("cat", "dog")


def test_a_missing_xml_file_is_named(root: Path) -> None:
    (root / "Annotations" / "000002.xml").unlink()
    with pytest.raises(FileNotFoundError, match=r"000002\.xml; it should hold the annotation"):
        scores(root)


def test_a_damaged_xml_file_is_named(root: Path) -> None:
    (root / "Annotations" / "000002.xml").write_text("<annotation><object>")
    with pytest.raises(ValueError, match=r"000002\.xml is not XML"):
        scores(root)
    (root / "Annotations" / "000002.xml").write_text("<annotation><object/></annotation>")
    with pytest.raises(ValueError, match=r"000002\.xml: an object has no name"):
        scores(root)


def test_real_blood_smears_have_the_counts_of_their_boxes(real_data: Path) -> None:
    dataset = VOCTags("ImageSets/Main/train.txt", real_data / "bccd" / "BCCD")
    assert dataset.classes == ("Platelets", "RBC", "WBC")
    assert len(dataset) == 205
    assert set(range(3)) == {label for i in range(205) for label in dataset.get_cat_ids(i)}
