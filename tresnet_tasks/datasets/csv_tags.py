"""A table of images and any number of labels each."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..registry import DATASETS
from .csv_rows import Row, column_position, read_rows
from .image_names import is_image_name
from .tags import TagDataset, Tags

_LABELS = {"1": 1, "0": 0, "-1": -1, "": -1}
_MARKS = ("|", ";", ",")


@DATASETS.register_module()
class CSVTags(TagDataset):
    """Images named in a CSV file with a header, in one of three forms.

    * One-hot: every column but that of the paths is a class and holds 1, 0 or -1; an empty cell is
      -1. The default.
    * A list a row: ``label_column`` holds the names of the classes that hold, ``cat|dog``.
    * A row a label: ``label_column`` holds one name and ``value_column`` 1, 0 or -1; the rows of an
      image are brought together. Open Images' form; set ``unlisted=-1``.

    Args:
        ann_file: the table, UTF-8; relative to ``data_root``.
        data_root: folder of the data set.
        data_prefix: what the paths in the table are relative to; itself relative to ``data_root``.
        path_column: its name in the header or its position from 0.
        path_suffix: put behind every path, such as '.jpg' where the table has ids.
        label_column: likewise; None for the one-hot form.
        label_separator: between the names of a list; None takes the one of bar, semicolon and
            comma that most rows have, and none if no row has any.
        value_column: for the form with a row a label.
        delimiter: of the columns, one character; None takes the one of tab, semicolon, bar and
            comma that most lines have.
        kwargs: see ``TagDataset``. The classes are the columns in their order, or all sorted names.

    Raises:
        FileNotFoundError: if the table or an image does not exist.
        ValueError: for an unknown column, a row with another number of columns than the header, a
            label other than 1, 0 and -1, with the line, or an image twice (in the first two forms).
    """

    def __init__(
        self,
        ann_file: str | os.PathLike[str],
        data_root: str | os.PathLike[str] = "",
        data_prefix: str = "",
        *,
        path_column: int | str = 0,
        path_suffix: str = "",
        label_column: int | str | None = None,
        label_separator: str | None = None,
        value_column: int | str | None = None,
        delimiter: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.image_root = os.path.join(data_root, data_prefix)  # noqa: PTH118 - Path would drop "./"
        self.path_suffix = path_suffix
        arguments = {
            "ann_file": ann_file,
            "data_root": data_root,
            "path_column": path_column,
            "label_column": label_column,
            "label_separator": label_separator,
            "value_column": value_column,
            "delimiter": delimiter,
        }
        self._table = _Table.of(arguments)
        super().__init__(self._table.path, arguments, **kwargs)

    @classmethod
    def source_classes(cls, **kwargs: Any) -> tuple[str, ...]:
        """The class columns, or all sorted names of the label column."""
        table = _Table.of(kwargs)
        if table.label is None:
            return tuple(name for i, name in enumerate(table.names) if i != table.image)
        return tuple(sorted({name for row in table.rows() for name in table.labels(row)}))

    def read_tags(self) -> Iterator[Tags]:
        """Read the table row by row."""
        if self._table.value is not None:
            yield from self._read_gathered()
            return
        lines: dict[str, int] = {}
        for row in self._table.rows():
            path, where = row.cells[self._table.image], f"{self.source}, line {row.line}"
            if path in lines:
                raise ValueError(
                    f"{where}: image {path!r} was in line {lines[path]} already. Keep one of the "
                    "two, or state value_column for a table with a row a label."
                )
            lines[path] = row.line
            yield Tags(self._path(path), self._table.labels(row), where)

    def _read_gathered(self) -> Iterator[Tags]:
        """Bring the rows of each image together, which may lie far apart: 12 bytes a row."""
        images: dict[str, int] = {}
        names: dict[str, int] = {}
        rows, codes, lines = array("i"), array("i"), array("i")
        for row in self._table.rows():
            ((name, value),) = self._table.labels(row).items()
            rows.append(images.setdefault(row.cells[self._table.image], len(images)))
            codes.append(names.setdefault(name, len(names)) << 2 | value + 1)
            lines.append(row.line)
        known = list(names)
        order = np.argsort(np.asarray(rows), kind="stable")
        ends = np.concatenate([[0], np.bincount(np.asarray(rows), minlength=len(images)).cumsum()])
        for index, path in enumerate(images):
            part = order[ends[index] : ends[index + 1]].tolist()
            labels = {known[codes[i] >> 2]: (codes[i] & 3) - 1 for i in part}
            yield Tags(self._path(path), labels, f"{self.source}, line {lines[part[0]]}")

    def _path(self, path: str) -> str:
        return os.path.join(self.image_root, path + self.path_suffix)  # noqa: PTH118 - a million times


class _Table(NamedTuple):
    """Where what stands in a table."""

    path: Path
    delimiter: str | None
    names: list[str]
    image: int
    label: int | None
    value: int | None
    separator: str | None

    @classmethod
    def of(cls, kwargs: Mapping[str, Any]) -> _Table:
        path = Path(kwargs.get("data_root", ""), kwargs["ann_file"])
        delimiter = kwargs.get("delimiter")
        names = next(read_rows(path, delimiter)).cells
        columns = [kwargs.get("path_column", 0), kwargs.get("label_column")]
        columns.append(kwargs.get("value_column"))
        image, label, value = (
            None if column is None else column_position(path, column, names) for column in columns
        )
        if is_image_name(names[image or 0]):
            raise ValueError(
                f"{path}, line 1: got the image {names[image or 0]!r}; expected the names of the "
                "columns, such as 'image,labels' or 'image,cat,dog'. Put such a line first."
            )
        if value is not None and label is None:
            raise ValueError(
                "value_column is given without label_column; state the column of the names too."
            )
        table = cls(path, delimiter, names, image or 0, label, value, kwargs.get("label_separator"))
        if label is None or value is not None or table.separator is not None:
            return table
        counts = {mark: 0 for mark in _MARKS}
        for row in table.rows():
            for mark in _MARKS:
                counts[mark] += mark in row.cells[label]
        best = max(_MARKS, key=lambda mark: counts[mark])
        return table._replace(separator=best if counts[best] else None)

    def rows(self) -> Iterator[Row]:
        """The rows below the header."""
        rows = read_rows(self.path, self.delimiter)
        next(rows)
        return rows

    def labels(self, row: Row) -> dict[str, int]:
        """The labels that a row states, by name."""
        if self.label is None:
            return {
                name: self._value(row, cell, name)
                for position, (name, cell) in enumerate(zip(self.names, row.cells, strict=True))
                if position != self.image
            }
        cell = row.cells[self.label]
        if self.value is not None:
            return {cell: self._value(row, row.cells[self.value], cell)}
        names = cell.split(self.separator) if self.separator else [cell]
        return {name.strip(): 1 for name in names if name.strip()}

    def _value(self, row: Row, cell: str, name: str) -> int:
        value = _LABELS.get(cell.removesuffix(".0"))
        if value is None:
            raise ValueError(
                f"{self.path}, line {row.line}: got {cell!r} for {name!r}; expected 1 (it holds), "
                "0 (it does not) or -1 (unknown). Correct the line; for a column of names, state "
                "label_column."
            )
        return value
