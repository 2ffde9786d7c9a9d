"""YOLO's text files: what is read from them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.datasets import YoloDetection


@pytest.fixture
def yolo(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    """YOLO's folders: a box and an outline on one.png, an empty file for two.png, none for three.png."""
    for name in ("one", "two", "three"):
        write_image(tmp_path / "images/train" / f"{name}.png")
    labels = tmp_path / "labels/train"
    labels.mkdir(parents=True)
    (labels / "one.txt").write_text("1 0.5 0.5 0.25 0.5\n0 0.25 0.25 0.75 0.25 0.5 0.75\n")
    (labels / "two.txt").write_text("")
    (tmp_path / "data.yaml").write_text("names:\n  0: cat\n  1: dog\n")
    (tmp_path / "obj.names").write_text("cat\ndog\n")
    return tmp_path


def _read(root: Path, **kwargs: Any) -> YoloDetection:
    return YoloDetection(root, **{"classes_file": "data.yaml", **kwargs})


def _info(dataset: YoloDetection, name: str = "one") -> dict[str, Any]:
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    return next(info for info in infos if info["img_id"] == name)


def test_shares_become_pixels(yolo: Path) -> None:
    info = _info(_read(yolo))
    assert (info["height"], info["width"]) == (24, 32)
    assert [i["bbox"] for i in info["instances"]] == [[12, 6, 20, 18], [8, 6, 24, 18]]
    assert [i["bbox_label"] for i in info["instances"]] == [1, 0]


def test_an_outline_is_a_mask_too(yolo: Path) -> None:
    (yolo / "labels/train/one.txt").write_text("0 0.25 0.25 0.75 0.25 0.5 0.75\n")
    assert _info(_read(yolo, with_masks=True))["instances"][0]["mask"] == [[8, 6, 24, 6, 16, 18]]


def test_an_image_without_a_file_or_with_an_empty_one_is_background(yolo: Path) -> None:
    dataset = _read(yolo)
    assert len(dataset) == 3
    assert _info(dataset, "two")["instances"] == _info(dataset, "three")["instances"] == []


@pytest.mark.parametrize("classes_file", ["data.yaml", "obj.names"])
def test_names_come_from_a_file(yolo: Path, classes_file: str) -> None:
    arguments = dict(data_root=yolo, classes_file=classes_file)
    assert YoloDetection.class_names(**arguments) == ("cat", "dog")
    assert YoloDetection(**arguments).metainfo["classes"] == ("cat", "dog")


def test_without_names_the_classes_are_counted(yolo: Path) -> None:
    assert YoloDetection.class_names(data_root=yolo) == ("0", "1")
    assert _read(yolo, classes_file=None).metainfo["classes"] == ("0", "1")


def test_text_files_may_lie_beside_the_images(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    write_image(tmp_path / "obj/one.png")
    (tmp_path / "obj/one.txt").write_text("0 0.5 0.5 0.25 0.5")
    (tmp_path / "obj/classes.txt").write_text("cat\n")
    dataset = YoloDetection(tmp_path, "obj", classes_file="obj/classes.txt")
    assert dataset.box_counts() == [1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 0.5 0.5 0.1 0.1", r"one.txt, line 1: class 2 has no name; there are 2: 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "class -1 has no name"),
        ("0 0.5 0.5 0.1", "got '0 0.5 0.5 0.1'; expected `class x y width height`"),
        ("0 0.5 0.5 0.1 0.1 0.9", "expected `class x y width height`"),
        ("cat 0.5 0.5 0.1 0.1", "expected `class x y width height`"),
    ],
)
def test_a_line_that_cannot_be_is_named(yolo: Path, line: str, said: str) -> None:
    (yolo / "labels/train/one.txt").write_text(line)
    with pytest.raises(ValueError, match=said):
        _read(yolo)


def test_boxes_in_pixels_lie_outside(yolo: Path) -> None:
    (yolo / "labels/train/one.txt").write_text("0 12 12 5 5")
    with pytest.raises(ValueError, match=r"none of the 3 images .* \(1 faulty ones were dropped\)"):
        _read(yolo)


def test_a_text_file_without_an_image(yolo: Path) -> None:
    (yolo / "labels/train/four.txt").write_text("0 0.5 0.5 0.1 0.1")
    with pytest.raises(ValueError, match=r"1 text files .* belong to no image .*\n.*four.txt"):
        _read(yolo)
    assert len(_read(yolo, on_error="skip")) == 3


def test_folders_that_do_not_exist(yolo: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        _read(yolo, data_prefix="images/val")
    with pytest.raises(FileNotFoundError, match="no text file in"):
        _read(yolo, label_prefix="labels/val")


def test_an_unreadable_image_is_named_or_left_out(yolo: Path) -> None:
    (yolo / "images/train/one.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"cannot read image .*one\.png"):
        _read(yolo)
    (yolo / "labels/train/two.txt").write_text("0 0.5 0.5 0.1 0.1")
    pipeline = [dict(type="LoadImage")]
    dataset = _read(yolo, on_error="skip", pipeline=pipeline, test_mode=True)
    assert [dataset[index] is None for index in range(3)] == [True, False, False]


@pytest.mark.parametrize("text", ["names: 3", "- a\n- b", "names: [", "{}"])
def test_a_yaml_without_names(yolo: Path, text: str) -> None:
    (yolo / "data.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"data.yaml"):
        _read(yolo)
