"""What is where in a tar file of samples."""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..upstream.checkpoints import complete_file
from .image_names import IMAGE_EXTENSIONS
from .packed_strings import PackedStrings

_FORMAT = 1  # of the stored index; raised when its content changes
_END = 1024  # a tar file ends with two empty blocks


@dataclass(frozen=True)
class ShardIndex:
    """Where the images of one shard are, and their labels.

    Attributes:
        names: (N,) of the images, inside the tar file.
        offsets: (N,) int64, of their first bytes in the file.
        sizes: (N,) int64, in bytes.
        labels: (N,) int64.
    """

    names: PackedStrings
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    labels: NDArray[np.int64]


def shard_index(path: Path, label_key: str) -> ShardIndex:
    """The index of a shard: read from ``PATH.index.npz`` if that is of this very file, else built.

    A built one is stored there, where the folder can be written. Nothing in it is executed.

    Args:
        path: a tar file in WebDataset's layout, not compressed: the files of a sample follow each
            other and share their name up to its first dot, ``0001.jpg`` and ``0001.cls``.
        label_key: see ``ImageShards``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no tar file, is cut off, or a sample lacks its image or label.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no shard {path.absolute()}. Correct `shards` or `data_root`, or fetch what is missing."
        )
    status = path.stat()
    state = f"{_FORMAT} {label_key} {status.st_size} {status.st_mtime_ns}"
    stored = path.with_name(f"{path.name}.index.npz")
    try:
        with np.load(stored, allow_pickle=False) as file:
            if str(file["state"]) == state:
                names = os.fsdecode(bytes(file["names"])).split("\0")[:-1]
                numbers = [file[column] for column in ("offsets", "sizes", "labels")]
                return ShardIndex(PackedStrings(names), *numbers)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # none, of another shard, or damaged: it is built anew
    samples = list(_samples(path, label_key))
    inside, *columns = zip(*samples, strict=True) if samples else ((), (), (), ())
    numbers = [np.asarray(column, dtype=np.int64) for column in columns]
    with suppress(OSError), complete_file(stored) as temporary, temporary.open("wb") as out:
        packed = np.frombuffer(b"".join(os.fsencode(name) + b"\0" for name in inside), np.uint8)
        kept = dict(zip(("offsets", "sizes", "labels"), numbers, strict=True))
        np.savez(out, state=np.asarray(state), names=packed, **kept)
    return ShardIndex(PackedStrings(inside), *numbers)


def _samples(path: Path, label_key: str) -> Iterator[tuple[str, int, int, int]]:
    """Name, offset and size of each image, and its label."""
    kind, _, field = label_key.partition(":")
    sample: dict[str, tarfile.TarInfo] = {}
    key = None
    with _opened(path) as tar:
        for member in _members(tar, path):
            folder, _, name = member.name.rpartition("/")
            stem, _, extension = name.partition(".")
            if (folder, stem) != key:
                if sample:
                    yield _described(tar, path, sample, kind, field)
                sample, key = {}, (folder, stem)
            sample[extension.lower()] = member
        if sample:
            yield _described(tar, path, sample, kind, field)


def _opened(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path, "r:")
    except tarfile.TarError as error:
        raise ValueError(
            f"shard {path} is no tar file, or is compressed ({error}). Fetch it again, or unpack it "
            "with gunzip: samples are read from the middle of it."
        ) from error


def _members(tar: Any, path: Path) -> Iterator[tarfile.TarInfo]:
    """The files in a shard.

    Raises:
        ValueError: at its end, if the file ends too early. tarfile takes a cut for the end.
    """
    end, last = 0, None
    try:
        for member in tar:
            end = member.offset_data + (-(-member.size // 512) * 512 if member.isreg() else 0)
            last = member.name
            # Dot files and folders belong to no sample; WebDataset's __meta__ files neither.
            if member.isreg() and not Path(last).name.startswith((".", "__")):
                yield member
            tar.members = []  # tarfile would keep every one
        problem = ""
    except tarfile.TarError as error:
        problem = f" ({error})"
    size = path.stat().st_size
    if problem or size < end + _END or _bytes_at(path, end, 512).strip(b"\0"):
        raise ValueError(
            f"shard {path} is cut off or damaged{problem}: it has {size} bytes, and after its last "
            f"file, {last}, no end at byte {end}. Fetch it again and compare its size or checksum."
        )


def _described(
    tar: tarfile.TarFile, path: Path, sample: dict[str, Any], kind: str, field: str
) -> tuple[str, int, int, int]:
    image = next((m for e, m in sample.items() if f".{e}".endswith(IMAGE_EXTENSIONS)), None)
    if image is None or kind not in sample:
        lacks = "an image" if image is None else f"a label, .{kind}"
        first = next(iter(sample.values())).name
        raise ValueError(
            f"shard {path}: sample {first} lacks {lacks}; it has {', '.join(sample)}. The files of a "
            "sample must follow each other; label_key says which of them is the label ('cls', "
            "'json:label')."
        )
    label = sample[kind]
    text = _bytes_at(path, label.offset_data, label.size)
    try:
        value = json.loads(text)[field] if field else text.decode("utf-8")
        return image.name, image.offset_data, image.size, int(value)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"shard {path}: the label {label.name} is {text[:80]!r}; expected a whole number"
            + (f" under {field!r} of a JSON object." if field else ".")
            + " Correct it, or name another file of the sample as label_key."
        ) from error


def _bytes_at(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), size, offset)
