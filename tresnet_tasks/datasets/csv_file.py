"""A table with a column of paths and a column of labels."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..registry import DATASETS
from .annotation_text import check_files_exist, read_lines, warn_of_blank_lines
from .base import ClassificationDataset, SampleInfo, Transform, checked_classes
from .image_names import is_image_name
from .nearest_name import nearest_name

# The comma last: it also stands inside names and numbers, the others hardly ever.
_DELIMITERS = ("\t", ";", "|", ",")


class _Table(NamedTuple):
    """Paths and labels as written, and the line of each."""

    paths: list[str]
    labels: list[str]
    lines: list[int]


@DATASETS.register_module()
class ImageCSV(ClassificationDataset):
    """Images named in a CSV file, labels as names or as ids.

    Where every label is a whole number they are ids, unless all of them are among the given
    ``classes``. Else they are names, and the classes are the sorted names. Blank lines are ignored
    (and counted in one warning).

    Args:
        ann_file: the table, UTF-8; relative to ``data_root``.
        data_root: folder of the data set.
        data_prefix: what the paths in the table are relative to; itself relative to ``data_root``.
        path_column: its position from 0, or its name in the header.
        label_column: likewise.
        header: whether the first line names the columns; ``'auto'`` looks whether its path has an
            image's extension.
        delimiter: one character; None takes the one of tab, semicolon, bar and comma that most
            lines have, the first of these where several are in as many.
        pipeline, classes, test_mode, on_error, seed, subset: see ``ClassificationDataset``. With
            ``on_error='raise'`` every file is looked for at once, with ``'skip'`` when its turn
            comes.

    Raises:
        FileNotFoundError: if the table or an image does not exist, with the line.
        ValueError: for an unknown column, a line with too few columns, or a label that is not a
            class, with the line.
    """

    def __init__(
        self,
        ann_file: str | os.PathLike[str],
        data_root: str | os.PathLike[str] = "",
        data_prefix: str = "",
        *,
        path_column: int | str = 0,
        label_column: int | str = 1,
        header: bool | str = "auto",
        delimiter: str | None = None,
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        classes: Sequence[str] | None = None,
        test_mode: bool = False,
        on_error: str = "raise",
        seed: int = 0,
        subset: Mapping[str, Any] | None = None,
    ) -> None:
        self.ann_file = Path(data_root, ann_file)
        self.image_root = os.path.join(data_root, data_prefix)  # noqa: PTH118 - Path would drop "./"
        self._table = _read_table(self.ann_file, path_column, label_column, header, delimiter)
        super().__init__(
            pipeline=pipeline,
            classes=classes,
            test_mode=test_mode,
            on_error=on_error,
            seed=seed,
            subset=subset,
        )
        del self._table

    @classmethod
    def class_names(cls, **kwargs: Any) -> tuple[str, ...] | None:
        """Read the labels; arguments as the constructor's. None where they are ids."""
        if kwargs.get("classes") is not None:
            return checked_classes(kwargs["classes"])
        ann_file = Path(kwargs.get("data_root", ""), kwargs["ann_file"])
        table = _read_table(
            ann_file,
            kwargs.get("path_column", 0),
            kwargs.get("label_column", 1),
            kwargs.get("header", "auto"),
            kwargs.get("delimiter"),
        )
        return _names_in(table, ann_file)

    def load_classes(self) -> tuple[str, ...] | None:
        """Take the sorted names in the label column; None where it holds ids."""
        return _names_in(self._table, self.ann_file)

    def load_data_list(self) -> list[SampleInfo]:
        """Turn the labels of the table into ids."""
        table = self._table
        if self.classes is not None and set(table.labels) <= set(self.classes):
            ids = {name: label for label, name in enumerate(self.classes)}
        else:
            ids = {}
        labels = [
            ids[label] if ids else self._id(label, line)
            for label, line in zip(table.labels, table.lines, strict=True)
        ]
        paths = [os.path.join(self.image_root, path) for path in table.paths]  # noqa: PTH118 - a million times
        if self.on_error == "raise":
            check_files_exist(self.ann_file, paths, table.lines)
        return [
            {"img_path": path, "gt_label": label} for path, label in zip(paths, labels, strict=True)
        ]

    def _id(self, label: str, line: int) -> int:
        """The id that a label states, after not all labels turned out to be class names."""
        where = f"{self.ann_file}, line {line}"
        if _is_integer(label):
            if int(label) < 0 or (self.classes is not None and int(label) >= len(self.classes)):
                top = f"0 to {len(self.classes) - 1}" if self.classes is not None else "0 up"
                raise ValueError(
                    f"{where}: label {label}; expected a whole number from {top}. "
                    "Correct the line, or name every class in `classes`."
                )
            return int(label)
        if self.classes is not None and label in self.classes:
            return self.classes.index(label)
        raise ValueError(
            f"{where}: label {label!r} is not one of the {len(self.classes or ())} classes. "
            f"{nearest_name(label, self.classes or ())} Correct the line or `classes`."
        )

    def __repr__(self) -> str:
        return f"ImageCSV({os.fspath(self.ann_file)!r})"


def _is_integer(label: str) -> bool:
    return label.removeprefix("-").isdecimal()


def _names_in(table: _Table, ann_file: Path) -> tuple[str, ...] | None:
    """Sorted names of the label column; None if it holds ids."""
    integers = [_is_integer(label) for label in table.labels]
    if all(integers):
        return None
    if any(integers):
        # One mistyped label would otherwise turn every id into a name, or become a class of its
        # own.
        rare = sum(integers) * 2 < len(integers)
        odd = integers.index(rare)
        raise ValueError(
            f"{ann_file}, line {table.lines[odd]}: label {table.labels[odd]!r} is "
            f"{'an id' if rare else 'a name'} "
            f"while most are {'names' if rare else 'ids'}. Correct the line, or name every class "
            "in `classes`."
        )
    return tuple(sorted(set(table.labels)))


def _read_table(
    path: Path,
    path_column: int | str,
    label_column: int | str,
    header: bool | str,
    delimiter: str | None,
) -> _Table:
    if header not in (True, False, "auto"):
        raise ValueError(f"header is {header!r}; it must be True, False or 'auto'.")
    if delimiter is not None and len(delimiter) != 1:
        raise ValueError(f"delimiter is {delimiter!r}; it must be one character.")
    lines = read_lines(path, "a column of paths and a column of labels")
    reader = csv.reader(
        (line + "\n" for line in lines),
        delimiter=delimiter or _noticed_delimiter(lines),
        skipinitialspace=True,
    )
    rows: list[tuple[int, list[str]]] = []
    blank = 0
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num, row))
            else:
                blank += 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}. Correct the line.") from error
    if not rows:
        raise ValueError(f"{path} is empty; expected a column of paths and a column of labels.")
    if header == "auto":
        named = isinstance(path_column, str) or isinstance(label_column, str)
        header = named or not is_image_name(_cell(path, *rows[0], path_column))
    names = [cell.strip() for cell in rows[0][1]] if header else None
    columns = [_position(path, column, names) for column in (path_column, label_column)]
    rows = rows[1:] if header else rows
    if not rows:
        raise ValueError(f"{path} has a header but no images; add a line for each image.")
    warn_of_blank_lines(path, blank)
    paths, labels = ([_cell(path, *row, column) for row in rows] for column in columns)
    return _Table(paths, labels, [line for line, _ in rows])


def _noticed_delimiter(lines: list[str]) -> str:
    return max(_DELIMITERS, key=lambda mark: sum(mark in line for line in lines))


def _position(path: Path, column: int | str, names: list[str] | None) -> int:
    if isinstance(column, int):
        return column
    if names is None:
        raise ValueError(
            f"{path}: column {column!r} is named, but header=False; give its position from 0, or "
            "header=True."
        )
    if column not in names:
        raise ValueError(f"{path} has no column {column!r}. {nearest_name(column, names)}")
    return names.index(column)


def _cell(path: Path, line: int, row: list[str], column: int | str) -> str:
    cell = row[column].strip() if isinstance(column, int) and 0 <= column < len(row) else ""
    if not cell:
        raise ValueError(
            f"{path}, line {line}: nothing in column {column} of {row!r}. Correct the line, or set "
            "path_column, "
            "label_column and delimiter."
        )
    return cell
