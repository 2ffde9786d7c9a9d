"""Pictures of learning rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tresnet_tasks.reports import learning_rates as module
from tresnet_tasks.reports.learning_rates import draw_lr_search


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Gives the y axis of the picture of some losses."""
    figures: list[Any] = []
    monkeypatch.setattr(module, "save_figure", lambda figure, path: figures.append(figure) or path)

    def drawn(losses: list[float]) -> tuple[float, float]:
        rates = np.geomspace(1e-5, 1, len(losses)).tolist()
        draw_lr_search(rates, losses, None, tmp_path / "x.png")
        bottom, top = figures[-1].axes[0].get_ylim()
        return float(bottom), float(top)

    return drawn


def test_an_explosion_at_the_end_does_not_hide_the_descent(limits: Any) -> None:
    bottom, top = limits([2.0] * 50 + [1.0] * 48 + [40.0, 400.0])
    assert 0.5 < bottom < 1.0 and 2.0 < top < 3.0


def test_noise_looks_flat(limits: Any) -> None:
    bottom, top = limits([2.30, 2.31] * 50)
    assert top - bottom > 10 * 0.01 and bottom < 2.30 and top > 2.31


def test_losses_of_zero_are_drawn(limits: Any) -> None:
    bottom, top = limits([0.0, 0.0])
    assert bottom < 0 < top
