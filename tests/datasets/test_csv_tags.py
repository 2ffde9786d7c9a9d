from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.datasets import CSVTags

Read = Callable[..., CSVTags]


@pytest.fixture
def read(tmp_path: Path, write_image: Callable[..., Path]) -> Read:
    """Write a table and the images a, b, c; read the table."""
    for name in "abc":
        write_image(tmp_path / f"{name}.png")

    def from_text(text: str, **kwargs: Any) -> CSVTags:
        (tmp_path / "t.csv").write_text(text, encoding="utf-8")
        return CSVTags("t.csv", tmp_path, **kwargs)

    return from_text


def scores(dataset: CSVTags) -> list[list[float]]:
    return [dataset.get_data_info(i)["gt_score"].tolist() for i in range(len(dataset))]


def test_one_hot_columns(read: Read) -> None:
    dataset = read("path,dog,cat\na.png,1,0\n\nb.png,-1,1\nc.png,,1.0\n")
    assert dataset.classes == ("dog", "cat")
    assert scores(dataset) == [[1, 0], [-1, 1], [-1, 1]]


def test_the_path_may_stand_in_any_column(read: Read) -> None:
    dataset = read("dog;file;cat\n1;a.png;0\n", path_column="file")
    assert (dataset.classes, scores(dataset)) == (("dog", "cat"), [[1, 0]])


@pytest.mark.parametrize("separator", ["|", ";", ","])
def test_a_list_of_names_a_row(separator: str, read: Read) -> None:
    text = f'path,labels\na.png,"dog{separator}big cat"\nb.png,dog\nc.png,"dog"\n'
    dataset = read(text, label_column="labels")
    assert dataset.classes == ("big cat", "dog")
    assert scores(dataset) == [[1, 1], [0, 1], [0, 1]]


def test_another_separator_is_stated(read: Read) -> None:
    dataset = read("path,labels\na.png,dog cat\n", label_column=1, label_separator=" ")
    assert scores(dataset) == [[1, 1]]


def test_a_row_a_label(read: Read) -> None:
    text = "ImageID,Source,LabelName,Confidence\na,x,/m/1,1\nb,x,/m/2,0\na,x,/m/2,0\nb,y,/m/3,1\n"
    dataset = read(
        text,
        path_suffix=".png",
        label_column="LabelName",
        value_column="Confidence",
        unlisted=-1,
    )
    assert scores(dataset) == [[1, 0, -1], [-1, 0, 1]]
    assert dataset.get_data_info(1)["img_path"].endswith("b.png")


def test_the_names_are_read_without_the_images(read: Read, tmp_path: Path) -> None:
    read("path,dog\na.png,1\n")
    (tmp_path / "a.png").unlink()
    assert CSVTags.class_names(ann_file="t.csv", data_root=tmp_path) == ("dog",)


@pytest.mark.parametrize("line", ["b.png,1", "b.png,1,0,1"])
def test_a_row_of_another_width_is_named(line: str, read: Read) -> None:
    with pytest.raises(ValueError, match=r"t\.csv, line 3: \d columns, but the first line has 3"):
        read(f"path,dog,cat\na.png,1,0\n{line}\n")


@pytest.mark.parametrize("cell", ["2", "yes", "0.5"])
def test_a_label_that_is_none_is_named(cell: str, read: Read) -> None:
    with pytest.raises(ValueError, match=rf"t\.csv, line 3: got '{cell}' for 'cat'; expected 1"):
        read(f"path,dog,cat\na.png,1,0\nb.png,1,{cell}\n")


def test_an_unknown_column_is_answered_with_the_nearest(read: Read) -> None:
    with pytest.raises(ValueError, match=r"no column 'label'\. Did you mean 'labels'\?"):
        read("path,labels\na.png,dog\n", label_column="label")
    with pytest.raises(ValueError, match="has no column 5; its 2 columns count from 0"):
        read("path,labels\na.png,dog\n", label_column=5)


def test_an_unknown_name_is_answered_with_its_line_and_the_nearest(read: Read) -> None:
    with pytest.raises(ValueError, match=r"line 2: 'dgo' is not .* mean 'dog'\?"):
        read("path,labels\na.png,dgo\n", label_column=1, classes=["dog", "cat"])


def test_an_image_that_comes_twice_is_named(read: Read) -> None:
    with pytest.raises(ValueError, match=r"line 3: image 'a\.png' was in line 2 already"):
        read("path,dog\na.png,1\na.png,0\n")


def test_an_empty_table_and_a_missing_one_are_told(read: Read, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t\.csv is empty"):
        read("\n\n")
    with pytest.raises(ValueError, match="has no images"):
        read("path,dog\n")
    with pytest.raises(FileNotFoundError, match="it should hold a table"):
        CSVTags("other.csv", tmp_path)


def test_a_value_column_needs_the_column_of_the_names(read: Read) -> None:
    with pytest.raises(ValueError, match="value_column is given without label_column"):
        read("path,v\na.png,1\n", value_column="v")


def test_a_table_in_another_encoding_is_told(read: Read, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("path,Käse\na.png,1\n".encode("latin-1"))
    with pytest.raises(ValueError, match="Save the file as UTF-8"):
        CSVTags("t.csv", tmp_path)


def test_a_table_without_column_names_is_refused(read: Read) -> None:
    with pytest.raises(
        ValueError, match=r"t\.csv, line 1: got the image 'a\.png'; expected the name"
    ):
        read("a.png,1,0\nb.png,0,1\n")
