"""Downloads that go on where they were interrupted."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from .progress import Progress, told_bytes

_ATTEMPTS = 5  # without a single byte more
_SILENCE = 60  # seconds after which a server that sends nothing is given up
_CHUNK = 1 << 18  # bytes
_BUSY = (408, 429)  # "try again", beside all from 500 on


class _Interrupted(Exception):
    """The network failed; another attempt may do."""


def download(url: str, path: Path, progress: Progress, *, pause: float = 2.0) -> None:
    """Fetch a file; it has its name when it is complete.

    What has come lies in ``NAME.part`` and is gone on with, in this call and in a later one. A
    server that cannot give the rest of a file sends it from the start.

    Args:
        url: of the file, http or https.
        path: where to; the folder is made.
        progress: is told how far it is.
        pause: seconds before the second attempt; twice as many before each further one.

    Raises:
        ValueError: if the server has no such file, or five attempts brought nothing more.
        OSError: if the file cannot be written, such as to a full disk.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} cannot be downloaded; expected an address of http or https.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    failures, furthest = 0, _length(part)
    while True:
        try:
            _go_on(url, part, progress)
        except _Interrupted as error:
            failures = 1 if _length(part) > furthest else failures + 1
            furthest = max(furthest, _length(part))
            if failures == _ATTEMPTS:
                raise ValueError(
                    f"{url} cannot be fetched: {error}. {told_bytes(_length(part))} are kept; the "
                    "same command goes on from there. Or get the file by other means, and name its "
                    "folder with --archive, or name a mirror with --url."
                ) from error
            wait = pause * 2 ** (failures - 1)
            progress.tell(f"{error}; going on in {wait:.0f} s")
            time.sleep(wait)
        else:
            part.replace(path)
            return


def _go_on(url: str, part: Path, progress: Progress) -> None:
    """Fetch what ``part`` lacks."""
    have = _length(part)
    response = _open(url, have, part)
    if response is None:  # there is no more
        return
    with response:
        if have and response.status != 206:
            progress.tell(f"the server cannot go on in the middle of {url}: from the start")
            have = 0
        length = response.headers["Content-Length"]
        total = have + int(length) if length else None
        text = f"downloading {part.name.removesuffix('.part')}"
        if have:
            text += f" from {told_bytes(have)} on"
        with progress.step(text, total) as advance, part.open("ab" if have else "wb") as file:
            advance(have)
            while chunk := _read(response):
                file.write(chunk)
                file.flush()  # a killed process keeps what has come
                have += len(chunk)
                advance(len(chunk))
    if total is not None and have < total:  # http.client does not mind
        raise _Interrupted(f"the connection ended after {have:,} of {total:,} bytes")


def _open(url: str, have: int, part: Path) -> Any:
    """The server's answer to a request for what is behind the first ``have`` bytes."""
    headers = {"User-Agent": "tresnet-tasks", **({"Range": f"bytes={have}-"} if have else {})}
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_SILENCE
        )
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing lies behind them
            if error.headers["Content-Range"] == f"bytes */{have}":
                return None
            part.unlink()
            raise _Interrupted(f"{url} is not the file that was begun") from error
        if error.code < 500 and error.code not in _BUSY:
            raise ValueError(
                f"{url} cannot be fetched: the server says {error.code} {error.reason}. Get the "
                "file by other means, and name its folder with --archive, or name a mirror with "
                "--url."
            ) from error
        raise _Interrupted(f"the server says {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"no answer: {_reason(error)}") from error
    if response.status == 206:
        start = re.match(r"bytes (\d+)-", response.headers["Content-Range"] or "")
        if start is None or int(start[1]) != have:
            response.close()
            part.unlink(missing_ok=True)
            raise _Interrupted(f"{url} was answered with another part than asked for")
    return response


def _read(response: Any) -> bytes:
    try:
        return bytes(response.read1(_CHUNK))
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"the connection broke: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error or type(error).__name__)


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
