"""Text files of annotations, whoever wrote them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from .image_names import missing_files


def read_lines(path: Path, purpose: str) -> list[str]:
    """Read the lines of a UTF-8 file, with or without byte-order mark, Unix or Windows line ends.

    Args:
        path: the file.
        purpose: what it should hold, for the error.

    Returns:
        Lines without their ends; blank ones are kept, so that positions are line numbers less one.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8, with the line.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path.absolute()}; it should hold {purpose}. data/README.md shows the layout."
        )
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: not UTF-8 ({error.reason}). Save the file as UTF-8, for example "
            "with "
            f"`iconv -f LATIN1 -t UTF-8`."
        ) from error
    # Not splitlines(): it also splits at separators that may stand in a file name.
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def warn_of_blank_lines(path: Path, count: int) -> None:
    """Say once that blank lines were passed over."""
    if count:
        warnings.warn(f"{path}: {count} blank line(s) ignored.", stacklevel=2)


def check_files_exist(ann_file: Path, paths: Sequence[str], lines: Sequence[int]) -> None:
    """Check that every image exists.

    Args:
        ann_file: where the paths come from.
        paths: of the images.
        lines: the line of each in ``ann_file``, from 1.

    Raises:
        FileNotFoundError: naming the first missing files and their lines.
    """
    missing = list(missing_files(paths))
    if missing:
        first = "\n".join(
            f"  line {lines[position]}: {os.path.abspath(paths[position])}"  # noqa: PTH100 - keeps links
            for position in islice(missing, 5)
        )
        raise FileNotFoundError(
            f"{len(missing)} of {len(paths)} images named in {ann_file} do not exist:\n{first}\n"
            "Correct the paths, data_root or data_prefix; on_error='skip' leaves such images out."
        )
