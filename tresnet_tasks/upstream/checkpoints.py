"""Reading and writing checkpoints without ever running what lies in them.

What it repairs: ``mmengine.runner.Runner.resume`` and ``load_checkpoint`` of mmengine 0.10 call
``torch.load`` in a way that torch 2.6 and newer refuse, because mmengine's checkpoints hold
``HistoryBuffer`` objects and NumPy scalars; and ``resume`` executes ``meta['config']`` as Python.
Here torch always reads with ``weights_only=True`` and an allow-list of exactly those classes, and a
config is stored as data.

Needed with mmengine up to 0.10.7 (the newest seen) and every torch since 2.6. It can go when
mmengine itself reads its checkpoints with ``weights_only=True`` and stops executing the config it
finds; ``write_checkpoint`` when mmengine writes to a temporary name first.
"""

from __future__ import annotations

import errno
import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

# An error of torch's weights_only unpickler that means "this wants more than data", as opposed to
# "these bytes are no pickle at all". The group is what was asked for.
_REFUSED = re.compile(
    r"GLOBAL (?P<a>[\w.]+)|unrecognized function (?P<b>.+)|but got (?P<c><.+>|[\w.]+)"
    r"|(?P<d>TorchScript)"
)

_NUMBER_DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


def read_checkpoint(path: str | Path, *, whole: bool = True) -> dict[str, Any]:
    """Read a file that ``torch.save`` wrote, on the CPU, as data alone.

    Args:
        path: a ``.pth`` or ``.pt`` file: weights, or a checkpoint of this project or of mmengine.
        whole: read all of it, and compare it with its checksums. Otherwise the numbers of its
            tensors stay on the disk until they are used, unchecked.

    Returns:
        The dict that was saved. mmengine's ``HistoryBuffer`` objects and NumPy values come back as
        such.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file wants to load anything but data (it is refused and nothing in it has
            run), if it is damaged, or if it holds something other than a dict.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"checkpoint {path} {what}; expected a file. Check the path; training writes its "
            "checkpoints into the --work-dir it was given."
        )
    zipped = zipfile.is_zipfile(path)
    try:
        if whole and zipped:
            _compare_checksums(path)
        # A protocol newer than 2 is answered with an error below, which says more than torch's
        # warning.
        with warnings.catch_warnings(), torch.serialization.safe_globals(_allowed()):
            warnings.simplefilter("ignore", UserWarning)
            found = torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipped and not whole
            )
    except Exception as error:  # torch raises a dozen types for bytes that it cannot make sense of
        # "Invalid argument" is its word for a zip file that ends too early; other refusals of the
        # system, such as a missing permission, speak for themselves.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise _explained(path, error) from error
    if not isinstance(found, dict):
        raise ValueError(
            f"checkpoint {path} holds a {type(found).__name__}; expected a dict such as "
            "model.state_dict() or dict(state_dict=...)."
        )
    return found


def _compare_checksums(path: Path) -> None:
    """Compare each part of a file with the CRC-32 that ``torch.save`` wrote beside it.

    torch (to 2.15) writes them but does not look at them: a flipped bit becomes a wrong weight.
    """
    with zipfile.ZipFile(path) as file:
        damaged = file.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"its part {damaged} does not have the checksum stored with it")


def write_checkpoint(obj: Mapping[str, Any], path: str | Path) -> None:
    """Save a checkpoint; the file has its final name only when it is complete.

    Args:
        obj: what ``read_checkpoint`` is to give back: tensors and plain data, see ``plain_data``.
        path: where to; the folder is made. A file of that name is replaced, and kept if the writing
            fails.

    Raises:
        OSError: if it cannot be written, such as to a full disk.
    """
    try:
        # Opened here: where torch opens the file itself, it answers a full disk with "unexpected
        # pos 576 vs 534".
        with complete_file(path) as temporary, temporary.open("wb") as file:
            torch.save(dict(obj), file)
    except OSError as error:
        raise OSError(
            error.errno,
            f"checkpoint {path} could not be written: {error.strerror or error}. Earlier "
            "checkpoints are as they were. Make room on the disk (default_hooks.checkpoint.max_keep "
            "says how many are kept), then go on with --resume",
        ) from error


@contextmanager
def complete_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; move it there, safely on disk, when the block ends "
    "without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def plain_data(value: Any) -> Any:
    """Turn a config, or any tree, into dict, list, tuple, str, int, float, bool and None.

    Args:
        value: an mmengine ``Config`` or ``ConfigDict``, or any nesting of mappings and sequences.
            Classes and functions become ``'module.qualname'``, paths and torch dtypes their text,
            NumPy values Python's.

    Returns:
        New containers; nothing of mmengine's lazily imported objects is built.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if not isinstance(value, type) and callable(getattr(value, "to_dict", None)):
        # mmengine's Config and ConfigDict: this turns lazy objects into names, where iterating
        # would import them.
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {
            key if type(key) in (bool, int, float) else str(key): plain_data(item)
            for key, item in value.items()
        }
    if isinstance(value, tuple):
        return tuple(plain_data(item) for item in value)
    if isinstance(value, list):
        return [plain_data(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain_data(item) for item in value), key=str)
    if isinstance(value, np.ndarray | np.generic):
        return plain_data(value.tolist())
    for kind in (bool, int, float, str):
        if isinstance(value, kind):  # a subclass, such as numpy.float64 or an enum of strings
            return kind(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)


def _allowed() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What a checkpoint may name beyond torch's own list, each under the name that a pickle calls "
    "it by."""
    # As NumPy itself names them when it pickles; their module has another name in each version.
    reconstruct: Any = np.zeros(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    allowed: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        (_statistic, "builtins.getattr"),
        (_statistic, "__builtin__.getattr"),
        (_history_buffer(), "mmengine.logging.history_buffer.HistoryBuffer"),
        (np.ndarray, "numpy.ndarray"),
        (np.dtype, "numpy.dtype"),
    ]
    for package in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
        allowed += [
            (reconstruct, f"{package}.multiarray._reconstruct"),
            (scalar, f"{package}.multiarray.scalar"),
        ]
    # The classes of dtype objects: torch asks for them when it restores a dtype. Numbers only, so
    # that no array of objects gets its state from a file.
    for code in _NUMBER_DTYPES:
        kind = type(np.dtype(code))
        allowed.append((kind, f"{kind.__module__}.{kind.__qualname__}"))
    return allowed


def _statistic(owner: object, name: str) -> None:
    """Stand in for ``getattr``, which mmengine's buffers name to find their own methods: looks "
    "nothing up."""


def _history_buffer() -> type:
    """A ``HistoryBuffer`` that takes its numbers from a file and leaves out the functions stored
    beside them.

    The original's ``__setstate__`` writes what it finds into the class, for every buffer of the
    process.
    """
    # Not at the top: this folder is imported by light-weight commands too.
    from mmengine.logging import HistoryBuffer

    class Restored(HistoryBuffer):
        def __setstate__(self, state: dict[str, Any]) -> None:
            HistoryBuffer.__init__(self, max_length=int(state["max_length"]))
            self._log_history = np.asarray(state["_log_history"], dtype=float)
            self._count_history = np.asarray(state["_count_history"])
            self.__class__ = HistoryBuffer

    return Restored


def _explained(path: Path, error: Exception) -> ValueError:
    """The same error in words that a user can act on."""
    text = str(error)
    match = _REFUSED.search(text)
    if match and "Unsupported operand" not in text:
        wanted = next(group for group in match.groups() if group)
        return ValueError(
            f"checkpoint {path} is refused: it wants to load {wanted!r}, which is code, not data. "
            "Nothing in it was executed. Ask its author for the weights alone "
            "(torch.save(model.state_dict(), ...) or a .safetensors file); do not open it by other "
            "means unless you trust its author with your machine."
        )
    start = path.open("rb").read(64).lstrip()
    hint = "Was its download cut short? Fetch it again and compare its size or checksum."
    if start[:1] == b"<":
        hint = "It is a web page, which a site sent in place of the file. Fetch it again."
    elif start.startswith(b"version https://git-lfs"):
        hint = "It is a Git LFS pointer: run `git lfs pull` where it came from."
    reason = next((line for line in text.splitlines() if line.strip()), "it ends too early")
    if "Weights only" in reason:  # torch's advice to open the file with weights_only=False
        reason = "its bytes make no sense"
    reason = reason.split(". ")[0].rstrip(".")
    return ValueError(
        f"checkpoint {path} ({path.stat().st_size} bytes) is damaged or was not written by "
        f"torch.save: {reason}. Nothing in it was executed. {hint}"
    )
