"""Stanford Cars in its published files; torchvision's reader is the oracle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from scipy.io import savemat

from tresnet_tasks.datasets import StanfordCars
from tresnet_tasks.registry import DATASETS

NAMES = ["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012", "smart fortwo 2012"]
CLASSES = {"train": [2, 1, 3], "test": [3, 3]}
FILES = {"train": "devkit/cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}


def write_annotations(path: Path, classes: list[int], **changes: Any) -> None:
    """A struct array as the devkit has it: boxes, class and name of each image."""
    fields = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname"]
    rows = np.empty((1, len(classes)), [(name, object) for name in fields])
    for number, label in enumerate(classes):
        rows[0, number] = (*np.uint16([[9], [9], [99], [99]]), np.uint8(label), f"{number:05}.jpg")
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"annotations": rows, **changes})


@pytest.fixture
def root(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    """Five photos; the folder is called as torchvision calls it."""
    folder = tmp_path / "stanford_cars"
    for split, classes in CLASSES.items():
        for number in range(len(classes)):
            write_image(folder / f"cars_{split}" / f"{number:05}.jpg", seed=number)
        write_annotations(folder / FILES[split], classes)
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": np.array([NAMES], object)})
    return folder


@pytest.mark.parametrize("split", ["train", "test"])
def test_it_reads_what_torchvision_reads(split: str, root: Path) -> None:
    expected = torchvision.datasets.StanfordCars(root.parent, split)
    found = StanfordCars(root, split)
    paths = [found.img_path(index) for index in range(len(found))]
    assert list(zip(paths, found.gt_labels.tolist(), strict=True)) == expected._samples
    assert list(found.metainfo["classes"]) == expected.classes == NAMES


def test_names_are_known_without_the_images(root: Path) -> None:
    (root / "cars_train").rename(root / "elsewhere")
    assert StanfordCars.class_names(data_root=root) == tuple(NAMES)


def test_a_split_of_one_image(root: Path) -> None:
    write_annotations(root / FILES["test"], [2])
    assert StanfordCars(root, "test").gt_labels.tolist() == [1]


def test_an_image_can_be_loaded(root: Path) -> None:
    config = dict(type="StanfordCars", data_root=str(root), pipeline=[dict(type="LoadImage")])
    assert DATASETS.build(config)[2]["img"].shape == (24, 32, 3)


@pytest.mark.parametrize("name", ["cars_train", "devkit/cars_meta.mat", FILES["train"]])
def test_missing_files_show_what_belongs_where(name: str, root: Path) -> None:
    (root / name).rename(root / "elsewhere")
    told = r"reads .*cars_test_annos_withlabels.*prepare\.py cars"
    with pytest.raises(FileNotFoundError, match=rf"(?s)no .*{name}\. StanfordCars {told}"):
        StanfordCars(root)


def test_a_missing_image_is_named(root: Path) -> None:
    (root / "cars_test" / "00001.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 2 images of .*\n  .*cars_test/00001\.jpg\n"):
        StanfordCars(root, "test")


def test_a_class_without_a_name_is_refused(root: Path) -> None:
    write_annotations(root / FILES["train"], [1, 4, 2])
    with pytest.raises(ValueError, match=r"00001\.jpg has the label 3, .* has 3 classes\."):
        StanfordCars(root)


def test_the_annotations_without_classes_are_told_apart(root: Path) -> None:
    rows = np.array([[("00000.jpg",)]], [("fname", object)])
    savemat(root / FILES["test"], {"annotations": rows})
    with pytest.raises(ValueError, match=r"fields fname; .*cars_test_annos\.mat, is another"):
        StanfordCars(root, "test")


def test_a_damaged_file_is_named(root: Path) -> None:
    (root / FILES["train"]).write_bytes(b"MATLAB 5.0 MAT-file cut")
    with pytest.raises(ValueError, match=r"cannot read .*cars_train_annos\.mat.*prepare\.py cars"):
        StanfordCars(root)
