"""The newest good checkpoint of a work dir.

mmengine's ``find_latest_checkpoint`` trusts the file ``last_checkpoint``: a damaged newest file
ends the run, and a moved work dir resumes from the place where it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .checkpoints import read_checkpoint

_NUMBERED = re.compile(r"(?:epoch|iter)_(\d+)\.pth")


def newest_checkpoint(
    work_dir: str | Path, say: Callable[[str], object]
) -> tuple[Path, dict[str, Any]] | None:
    """Find the checkpoint to go on from.

    The one that ``last_checkpoint`` names comes first, then ``epoch_*.pth``, ``iter_*.pth`` and
    ``best.pth``, the last written first.

    Args:
        work_dir: folder that the checkpoints were written to.
        say: called with a line for each damaged file that is passed over.

    Returns:
        The path and what it holds, or None where the folder has no checkpoint at all.

    Raises:
        ValueError: if there are checkpoints and none of them can be resumed from.
    """
    passed_over = []
    for path in _candidates(Path(work_dir)):
        try:
            checkpoint = read_checkpoint(path)
            check_resumable(checkpoint, path)
        except (ValueError, OSError) as error:
            passed_over.append(path.name)
            say(f"{path} is passed over: {error}")
        else:
            return path, checkpoint
    if passed_over:
        raise ValueError(
            f"none of the checkpoints in {work_dir} ({', '.join(passed_over)}) can be resumed "
            "from. Name another one after --resume, or leave it out to start from the beginning."
        )
    return None


def check_resumable(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Check that a checkpoint holds the state of a training run, not the weights alone.

    Raises:
        ValueError: if it does not.
    """
    meta = checkpoint.get("meta")
    counters = [meta.get(key) for key in ("epoch", "iter")] if isinstance(meta, dict) else [None]
    if not isinstance(checkpoint.get("state_dict"), dict) or any(
        not isinstance(counter, int) for counter in counters
    ):
        raise ValueError(
            f"{path} has weights at most, but resuming needs the state of a run too (optimizer, "
            "meta.epoch, meta.iter). To start from its weights, give it as load_from."
        )


def _candidates(work_dir: Path) -> list[Path]:
    files = [path for path in work_dir.glob("*.pth") if _NUMBERED.fullmatch(path.name)]
    files.append(work_dir / "best.pth")
    files = [path for path in files if path.is_file()]
    files.sort(key=lambda path: (path.stat().st_mtime_ns, checkpoint_number(path)), reverse=True)
    last = _last_written(work_dir)
    return list(dict.fromkeys([last, *files])) if last else files


def _last_written(work_dir: Path) -> Path | None:
    try:
        text = (work_dir / "last_checkpoint").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    # By its name alone: mmengine writes the full path, which is wrong once the folder has moved.
    path = work_dir / Path(text).name
    return path if text and path.is_file() else None


def checkpoint_number(path: Path) -> int:
    """The number in ``epoch_3.pth`` or ``iter_500.pth``; -1 for any other name."""
    match = _NUMBERED.fullmatch(path.name)
    return int(match[1]) if match else -1
