"""Tables of paths and labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.datasets import ImageCSV

Write = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, write_image: Write) -> Path:
    for name in ("a.png", "b.png", "c, d.png"):
        write_image(tmp_path / name)
    return tmp_path


def _read(root: Path, content: str, **kwargs: Any) -> ImageCSV:
    (root / "table.csv").write_text(content, encoding="utf-8", newline="")
    return ImageCSV("table.csv", root, **kwargs)


def test_names(root: Path) -> None:
    dataset = _read(root, "a.png,rose\nb.png,daisy\n")
    assert dataset.metainfo["classes"] == ("daisy", "rose")
    assert list(dataset.gt_labels) == [1, 0]


def test_ids(root: Path) -> None:
    dataset = _read(root, "a.png,2\nb.png,0\n")
    assert dataset.metainfo["classes"] == ("0", "1", "2")
    assert list(dataset.gt_labels) == [2, 0]


def test_names_that_are_numbers(root: Path) -> None:
    dataset = _read(root, "a.png,1990\nb.png,1980\n", classes=["1980", "1990"])
    assert list(dataset.gt_labels) == [1, 0]


def test_header_is_noticed(root: Path) -> None:
    assert len(_read(root, "file,kind\na.png,rose\nb.png,daisy\n")) == 2


def test_header_may_be_stated(root: Path) -> None:
    assert len(_read(root, "a.png,rose\nb.png,daisy\n", header=True)) == 1


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_delimiter_is_noticed(root: Path, mark: str) -> None:
    dataset = _read(root, f"a.png{mark}1,5\nb.png{mark}1,5\n")
    assert dataset.metainfo["classes"] == ("1,5",)


def test_quoted_cells_windows_line_ends_and_byte_order_mark(root: Path) -> None:
    dataset = _read(root, '\ufeff"c, d.png",x\r\nb.png,x\r\n')
    assert dataset.get_data_info(0)["img_path"] == str(root / "c, d.png")


def test_columns_by_name(root: Path) -> None:
    content = "id,kind,file\n7,rose,a.png\n8,daisy,b.png\n"
    dataset = _read(root, content, path_column="file", label_column="kind")
    assert dataset.metainfo["classes"] == ("daisy", "rose")


def test_class_names_are_read_alone(root: Path) -> None:
    _read(root, "a.png,rose\nb.png,daisy\n")
    assert ImageCSV.class_names(ann_file="table.csv", data_root=root) == ("daisy", "rose")


def test_unknown_column_gets_the_nearest_name(root: Path) -> None:
    with pytest.raises(ValueError, match=r"no column 'labels'. Did you mean 'label'"):
        _read(root, "path,label\na.png,x\n", label_column="labels")


def test_unknown_class_gets_the_nearest_name_and_the_line(root: Path) -> None:
    with pytest.raises(ValueError, match=r"line 2: label 'dasy' .* Did you mean 'daisy'"):
        _read(root, "a.png,rose\nb.png,dasy\n", classes=["daisy", "rose"])


def test_id_without_a_class(root: Path) -> None:
    with pytest.raises(ValueError, match=r"line 2: label 3; expected .* 0 to 1"):
        _read(root, "a.png,1\nb.png,3\n", classes=["daisy", "rose"])


def test_negative_id(root: Path) -> None:
    with pytest.raises(ValueError, match="line 1: label -1"):
        _read(root, "a.png,-1\nb.png,0\n")


def test_one_name_among_ids_is_named_with_its_line(root: Path) -> None:
    with pytest.raises(ValueError, match="line 3: label 'rose' is a name while most are ids"):
        _read(root, "a.png,0\nb.png,1\na.png,rose\n")


def test_line_with_too_few_columns(root: Path) -> None:
    with pytest.raises(ValueError, match="line 2: nothing in column 1"):
        _read(root, "a.png,0\nb.png\n")


def test_missing_image_is_named_with_its_line(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"line 3: .*gone\.png"):
        _read(root, "path,label\na.png,0\ngone.png,1\n")


def test_blank_lines_are_counted(root: Path) -> None:
    with pytest.warns(UserWarning, match="1 blank"):
        assert len(_read(root, "a.png,0\n\nb.png,1\n")) == 2


def test_missing_table(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        ImageCSV("nowhere.csv", tmp_path)


def test_empty_table(root: Path) -> None:
    with pytest.raises(ValueError, match="is empty"):
        _read(root, "")


def test_header_alone(root: Path) -> None:
    with pytest.raises(ValueError, match="header but no images"):
        _read(root, "path,label\n")
