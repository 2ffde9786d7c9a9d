"""What the tests of bad input share: one epoch by the command, and an image to be spoilt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ONE_EPOCH = ("--cfg-options", "train_cfg.max_epochs=1")


@pytest.fixture
def train(command: Any, tmp_path: Path) -> Callable[..., str]:
    """Train for one epoch; gives what was printed. ``status`` is 1 for an error."""

    def run(config: Path, *options: Any, status: int = 0) -> str:
        printed: str = command(
            *("train", config, "--work-dir", tmp_path / "run", *(options or ONE_EPOCH)),
            status=status,
        )
        return printed

    return run


@pytest.fixture
def image(tiny_data: Path) -> Path:
    """One of the training images, to be made unreadable."""
    return tiny_data / "train" / "red" / "0.png"
