"""Unpacking archives without letting them write anywhere else."""

from __future__ import annotations

import platform
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any

from .progress import Progress
from .source import Archive

_TARS = (".tar", ".tgz", ".tar.gz")
_DAMAGED = (tarfile.ReadError, zipfile.BadZipFile, zlib.error, EOFError)


def unpack(path: Path, archive: Archive, folder: Path, progress: Progress) -> None:
    """Unpack a file into ``folder / archive.into``; one that is no archive is copied there.

    Args:
        path: the file.
        archive: what it is.
        folder: where to.
        progress: is told how far it is.

    Raises:
        ValueError: if the archive is damaged, or would write outside of ``folder``: by an absolute
            path, by ``..``, through a link. What it has unpacked until then is left there. Also if
            this Python is too old to tell.
        OSError: if files cannot be written, such as to a full disk.
    """
    if not hasattr(tarfile, "data_filter"):
        raise ValueError(
            f"tarfile of Python {platform.python_version()} cannot refuse archives that write elsewhere. "
            "Take Python 3.10.12, 3.11.4 or a later one."
        )
    target = folder / archive.into
    target.mkdir(parents=True, exist_ok=True)
    with progress.step(f"unpacking {archive.name}", path.stat().st_size) as advance:
        try:
            if archive.name.endswith(_TARS):
                with path.open("rb") as file:
                    _unpack_tar(_Counted(file, advance), target, archive.nested)
            elif archive.name.endswith(".zip"):
                _unpack_zip(path, target, advance)
            else:
                shutil.copyfile(path, target / archive.name)
        except tarfile.FilterError as error:
            raise ValueError(
                f"{path} is refused: {error}. Nothing of it was put into place. Get the archive from its source."
            ) from error
        except _DAMAGED as error:
            raise ValueError(f"{path} is damaged: {error}. Fetch it again.") from error


class _Counted:
    """A file whose reading is counted; no more than tarfile needs for a stream."""

    def __init__(self, file: IO[bytes], advance: Callable[[int], None]) -> None:
        self._file = file
        self._advance = advance

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._advance(len(data))
        return data


def _unpack_tar(file: Any, target: Path, nested: bool) -> None:
    # A stream: the inner tars of a nested one are unpacked without being written first.
    with tarfile.open(fileobj=file, mode="r|*") as tar:
        for member in tar:
            inner = nested and member.isfile()
            name = str(PurePosixPath(member.name).with_suffix("")) if inner else member.name
            _check_inside(name)
            if inner:
                _unpack_tar(tar.extractfile(member), target / name, nested=False)
            else:
                tar.extract(member, target, filter="data")


def _unpack_zip(path: Path, target: Path, advance: Callable[[int], None]) -> None:
    with zipfile.ZipFile(path) as file:
        for member in file.infolist():
            _check_inside(member.filename)
            file.extract(member, target)  # links come out as small files
            advance(member.compress_size)


def _check_inside(name: str) -> None:
    """Refuse what tarfile and zipfile would bend into shape: no published archive has it."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts:
        raise ValueError(
            f"an archive is refused: its file {name!r} would lie outside of the data folder. "
            "Nothing of it was put into place. Get the archive from its source."
        )
