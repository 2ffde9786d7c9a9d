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

_NUMBERED = re.compile(r"(?:epoch|iter)_\d+\.pth")


def newest_checkpoint(
    work_dir: str | Path,
    say: Callable[[str], object],
    also_check: Callable[[dict[str, Any], Path], None] | None = None,
) -> tuple[Path, dict[str, Any]] | None:
    """Find the checkpoint to go on from.

    Among ``epoch_*.pth``, ``iter_*.pth`` and ``best.pth`` it is the good one that was written last,
    by the time and the iteration that it states itself: what a file system says is lost when a
    folder is copied, and a work dir may hold files of an earlier, longer run.

    Args:
        work_dir: folder that the checkpoints were written to.
        say: called with a line for each damaged file that is passed over.
        also_check: raises a `ValueError` for what else is to be passed over.

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
            if also_check is not None:
                also_check(checkpoint, path)
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
    parts = [checkpoint.get(key) for key in ("state_dict", "optimizer")]
    if not all(isinstance(part, dict) for part in parts) or not all(
        isinstance(counter, int) for counter in counters
    ):
        # A converted checkpoint has the counters of its run, but no optimizer.
        raise ValueError(
            f"{path} has weights at most; expected a checkpoint of a run, with its state too (optimizer, "
            "meta.epoch, meta.iter). To start from its weights, give it as load_from."
        )


def numbered_checkpoints(work_dir: Path, until: int) -> list[Path]:
    """Those of ``epoch_N.pth`` and ``iter_N.pth`` that state at most ``until`` iterations, in order."""
    found = [(_written(path), path) for path in _numbered(work_dir)]
    kept = [((iteration, time), path) for (bad, time, iteration), path in found if not bad]
    return [path for (iteration, _), path in sorted(kept) if iteration <= until]


def _candidates(work_dir: Path) -> list[Path]:
    files = [*_numbered(work_dir), work_dir / "best.pth"]
    found = [(_written(path), path) for path in files if path.is_file()]
    return [path for _, path in sorted(found, reverse=True)]


def _numbered(work_dir: Path) -> list[Path]:
    return [path for path in work_dir.glob("*.pth") if _NUMBERED.fullmatch(path.name)]


def _written(path: Path) -> tuple[bool, str, int]:
    """What orders checkpoints; those that cannot be read come last, and so are told first."""
    try:
        meta = read_checkpoint(path, whole=False)["meta"]
        return False, str(meta.get("time", "")), int(meta["iter"])
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return True, "", 0
