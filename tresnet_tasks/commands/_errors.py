"""Which exceptions are a user's mistake, told in one message, and which need their traceback."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PACKAGE = Path(__file__).resolve().parents[1]


def plain_message(error: BaseException) -> str | None:
    """What to tell the user instead of a traceback.

    Args:
        error: what a command raised.

    Returns:
        The message, if ``error`` is a user's mistake: raised by this package (in a DataLoader's
        worker too, or passed on by a library that wrapped it), or the system's refusal of a named
        file or of more room on a disk. None otherwise: then only a traceback tells what happened.
    """
    for link in _chain(error):
        if not _may_be_the_users(link):
            continue
        if _raised_here(link.__traceback__):
            return _text(link)
        told = _from_worker(_text(link))
        if told is not None:
            return told
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _FULL):
        return str(error)
    return None


def _may_be_the_users(error: BaseException) -> bool:
    """Whether our code raises such an error about input; from a library it may be a defect."""
    if isinstance(error, KeyError):
        # Ours are sentences; a failed look-up has the key alone and is a defect.
        return len(error.args) == 1 and " " in str(error.args[0])
    if isinstance(error, ImportError):
        # The import statement itself fills the name in; a raise with advice does not.
        return error.name is None
    return isinstance(error, (ValueError, OSError))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error``, then what it was raised from; a library that wraps our error keeps it there."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _raised_here(traceback: TracebackType | None) -> bool:
    """Whether the innermost frame, the one that raised, is of this package."""
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return is_ours(traceback.tb_frame.f_code.co_filename)


def _from_worker(text: str) -> str | None:
    """Our own error's message, out of the traceback text that torch raises for a worker."""
    if not text.startswith("Caught ") or "Original Traceback" not in text:
        return None
    # Our messages may be of several lines; they end the text, and follow the last frame's
    # "SomeError: ".
    frames = list(re.finditer(r'^ *File "([^"]+)", line \d+, in .*$', text, re.MULTILINE))
    if not frames or not is_ours(frames[-1][1]):
        return None
    told = re.search(r"^[\w.]+: (.*)", text[frames[-1].end() :], re.MULTILINE | re.DOTALL)
    return told[1].strip() if told else None


def is_ours(filename: str) -> bool:
    """Whether a source file is of this package."""
    return Path(filename).resolve().is_relative_to(_PACKAGE)


def _text(error: BaseException) -> str:
    if isinstance(error, KeyError) and len(error.args) == 1:
        return str(error.args[0])  # str() of a KeyError is the repr of its message
    return str(error) or type(error).__name__
