"""`path label` on each line, as written by many hands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tresnet_tasks.datasets import ImageList

Write = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, write_image: Write) -> Path:
    for name in ("a.png", "b.png", "with space.png", "größe.png"):
        write_image(tmp_path / "jpg" / name)
    return tmp_path


def _read(root: Path, content: str | bytes, **kwargs: object) -> ImageList:
    data = content.encode() if isinstance(content, str) else content
    (root / "list.txt").write_bytes(data)
    return ImageList("list.txt", root, "jpg", **kwargs)  # type: ignore[arg-type]


def test_paths_and_labels(root: Path) -> None:
    dataset = _read(root, "a.png 1\nb.png 0\n")
    assert dataset.get_data_info(0) == {
        "img_path": str(root / "jpg" / "a.png"),
        "gt_label": 1,
        "sample_idx": 0,
    }
    assert dataset.metainfo["classes"] == ("0", "1")


def test_spaces_and_non_ascii_names(root: Path) -> None:
    dataset = _read(root, "with space.png 0\ngröße.png\t1\n")
    assert dataset.get_data_info(0)["img_path"].endswith("with space.png")
    assert dataset.get_data_info(1)["img_path"].endswith("größe.png")


def test_windows_line_ends_and_byte_order_mark(root: Path) -> None:
    dataset = _read(root, b"\xef\xbb\xbfa.png 0\r\nb.png 1\r\n")
    assert dataset.get_data_info(0)["img_path"] == str(root / "jpg" / "a.png")
    assert list(dataset.gt_labels) == [0, 1]


def test_blank_lines_are_counted_in_one_warning(root: Path) -> None:
    with pytest.warns(UserWarning, match=r"list\.txt: 2 blank") as caught:
        dataset = _read(root, "a.png 0\n\n  \nb.png 1\n")
    assert len(dataset) == 2
    assert len(caught) == 1


def test_missing_list(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt.*path label"):
        ImageList("nowhere.txt", tmp_path)


def test_missing_image_is_named_with_its_line(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"1 of 2 images .*\n  line 2: .*gone\.png"):
        _read(root, "a.png 0\ngone.png 1\n")


def test_missing_folder_of_images(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"line 1: .*elsewhere"):
        _read(root, "elsewhere/a.png 0\n")


def test_missing_image_is_left_out_with_skip(root: Path) -> None:
    dataset = _read(
        root, "a.png 0\ngone.png 1\n", on_error="skip", pipeline=[dict(type="LoadImage")]
    )
    assert dataset[1]["img_path"].endswith("a.png")
    assert dataset.unreadable_files() == [str(root / "jpg" / "gone.png")]


@pytest.mark.parametrize("label", ["x", "-1", "1.0", "2"])
def test_bad_label_is_named_with_its_line(root: Path, label: str) -> None:
    with pytest.raises(ValueError, match=rf"line 2: label '{label}'; expected .* 0 to 1"):
        _read(root, f"a.png 0\nb.png {label}\n", classes=["no", "yes"])


def test_line_without_a_label(root: Path) -> None:
    with pytest.raises(ValueError, match=r"line 1: got 'a\.png'"):
        _read(root, "a.png\n")


def test_empty_list(root: Path) -> None:
    with pytest.raises(ValueError, match="names no images"):
        _read(root, "")


def test_text_that_is_not_utf8_is_named_with_its_line(root: Path) -> None:
    with pytest.raises(ValueError, match="line 2: not UTF-8"):
        _read(root, "a.png 0\ngröße.png 1\n".encode("latin-1"))


@pytest.mark.parametrize("content", ["cat\ngreat dane\n", "0 cat\n1 great dane\n"])
def test_classes_file(root: Path, content: str) -> None:
    (root / "classes.txt").write_text(content)
    dataset = _read(root, "a.png 1\n", classes_file="classes.txt")
    assert dataset.metainfo["classes"] == ("cat", "great dane")
    assert ImageList.class_names(
        ann_file="list.txt", data_root=root, classes_file="classes.txt"
    ) == ("cat", "great dane")


def test_classes_are_not_named_by_a_list_alone() -> None:
    assert ImageList.class_names(ann_file="list.txt") is None
