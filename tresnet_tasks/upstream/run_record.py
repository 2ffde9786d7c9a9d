"""What a run was made with: versions and the commit of the code, for checkpoints and the work dir.

mmengine records its own version and a hash of the current directory's repository, which need not be
the code's.
"""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import mmengine
import torch

# More than one name: maintained forks keep the import name under another distribution's.
_DISTRIBUTIONS = {
    "torchvision": ("torchvision",),
    "mmdet": ("mmdet", "onedl-mmdetection"),
    "mmcv": ("mmcv-lite", "mmcv", "onedl-mmcv"),
    "numpy": ("numpy",),
    "albumentations": ("albumentations",),
}


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of this package, Python, torch, mmengine and what of the rest is installed."""
    package = import_module(__name__.partition(".")[0])
    found = {
        package.__name__: str(package.__version__),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "mmengine": str(mmengine.__version__),
    }
    for name, distributions in _DISTRIBUTIONS.items():
        for distribution in distributions:
            try:
                found[name] = metadata.version(distribution)
                break
            except metadata.PackageNotFoundError:
                continue
    return found


@lru_cache(maxsize=1)
def git_commit() -> str | None:
    """The commit of this package's code, with ``-dirty`` for uncommitted changes; None outside a
    checkout of it.

    The package must be tracked by the repository: one that is installed into an environment inside
    somebody else's checkout is not that checkout's code.
    """
    here = Path(__file__).resolve()
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is None:
        return None
    return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def differences(old: Any, new: Any, at: str = "") -> list[str]:
    """Lines ``key.path: old -> new`` where two trees differ; a list equals a tuple."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for key in dict.fromkeys([*old, *new])
            for line in differences(
                old.get(key, _ABSENT), new.get(key, _ABSENT), f"{at}.{key}" if at else str(key)
            )
        ]
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{at}[{i}]")]
    return [] if old == new else [f"{at}: {_short(old)} -> {_short(new)}"]


class _Absent:
    def __repr__(self) -> str:
        return "(not set)"


_ABSENT = _Absent()


def _short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
