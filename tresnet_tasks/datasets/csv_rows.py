"""The rows of a table, one by one, however long it is."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from .nearest_name import nearest_name

# The comma last: it also stands inside names and numbers, the others hardly ever.
_DELIMITERS = ("\t", ";", "|", ",")


class Row(NamedTuple):
    """One row: its line in the file, from 1, and its cells."""

    line: int
    cells: list[str]


def noticed_delimiter(path: Path) -> str:
    """The one of tab, semicolon, bar and comma that most of the first 1,000 lines have."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = list(islice(file, 1000))
    return max(_DELIMITERS, key=lambda mark: sum(mark in line for line in lines))


def read_rows(path: Path, delimiter: str | None = None) -> Iterator[Row]:
    """Read the rows of a UTF-8 table that are not blank; the first one names the columns.

    Args:
        path: the table.
        delimiter: one character; None takes ``noticed_delimiter``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is empty or not UTF-8, or a row has another number of columns than the
            first, with the line.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path.absolute()}; it should hold a table of images and labels. "
            "data/README.md shows the layout."
        )
    width = 0
    mark = delimiter or noticed_delimiter(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=mark, skipinitialspace=True)
        try:
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                width = width or len(cells)
                if len(cells) != width:
                    raise ValueError(
                        f"{path}, line {reader.line_num}: {len(cells)} columns, but the first line "
                        f"has {width} (separated by {mark!r}). Correct the line, put a cell that "
                        "holds the separator in quotes, or set delimiter."
                    )
                yield Row(reader.line_num, [cell.strip() for cell in cells])
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(
                f"{path}, line {reader.line_num + 1}: {error}. Save the file as UTF-8, or correct "
                "the line."
            ) from error
    if not width:
        raise ValueError(f"{path} is empty; expected a line of column names and a line an image.")


def column_position(path: Path, column: int | str, names: list[str]) -> int:
    """The position of a column, given by position from 0 or by name.

    Raises:
        ValueError: if there is no such column, with the nearest name.
    """
    if isinstance(column, str):
        if column not in names:
            raise ValueError(f"{path} has no column {column!r}. {nearest_name(column, names)}")
        return names.index(column)
    if not 0 <= column < len(names):
        raise ValueError(
            f"{path} has no column {column}; its {len(names)} columns count from 0: "
            f"{', '.join(names[:10])}. Correct path_column, label_column or delimiter."
        )
    return column
