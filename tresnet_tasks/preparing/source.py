"""What is to be known of a data set in order to prepare it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Archive:
    """A file that a data set is published in.

    Attributes:
        name: of the file. ``.tar``, ``.tgz``, ``.tar.gz`` and ``.zip`` are unpacked, others copied.
        size: in bytes; told, and compared with the room on the disk.
        md5: of the file, in hexadecimal digits. What decides whether it is the right one.
        url: where it lies; empty if it cannot be had without a login, or no more.
        into: the folder that it is unpacked into; empty for the data set's own.
        nested: a tar of tars, each of which goes into a folder of its name.
    """

    name: str
    size: int
    md5: str
    url: str = ""
    into: str = ""
    nested: bool = False


@dataclass(frozen=True)
class Split:
    """A part of a data set, and how many images it has.

    Attributes:
        name: such as ``train``.
        images: how many there are to be.
        count: how many there are in a folder of the final layout; 0 where it does not exist.
    """

    name: str
    images: int
    count: Callable[[Path], int]


@dataclass(frozen=True)
class DataSource:
    """A data set: its archives, and what becomes of them.

    Attributes:
        name: what it is called on the command line.
        title: for people.
        folder: where it goes, below the root of all data.
        archives: what it is published in.
        pieces: the files and folders in ``folder`` that belong to it.
        splits: its parts.
        top: the folder of the archives that the pieces lie in.
        arrange: brings what was unpacked into the final layout.
        by_hand: where archives without a url come from, as a sentence.
    """

    name: str
    title: str
    folder: str
    archives: tuple[Archive, ...]
    pieces: tuple[str, ...]
    splits: tuple[Split, ...]
    top: str = ""
    arrange: Callable[[Path], None] | None = None
    by_hand: str = ""

    @property
    def size(self) -> int:
        """Bytes of all archives."""
        return sum(archive.size for archive in self.archives)

    def lacks(self, folder: Path) -> list[str]:
        """What ``folder`` lacks of this data set, each in words; empty if it is complete."""
        lacking = [f"no {piece}" for piece in self.pieces if not (folder / piece).exists()]
        for split in self.splits:
            found = split.count(folder)
            if found != split.images:
                lacking.append(f"{found:,} images in {split.name}, expected {split.images:,}")
        return lacking
