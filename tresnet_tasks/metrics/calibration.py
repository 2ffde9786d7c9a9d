"""Whether scores can be read as probabilities, and the temperature that brings them nearer."""

from __future__ import annotations

from io import StringIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Scores of float32 sigmoids reach 0 and 1 exactly, which have no logit.
_LEAST = 1e-7
_STEPS = 50


class Reliability(NamedTuple):
    """What scores say and what was there, by bins of the score.

    Attributes:
        edges: (B + 1,) of the bins, from 0 to 1; a score on an edge belongs to the lower bin.
        counts: (B,) scores in each.
        score: (B,) their mean; NaN in an empty bin.
        share: (B,) share of them whose label is positive; NaN in an empty bin.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    score: NDArray[np.float64]
    share: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of score and share, weighted by the counts."""
        filled = self.counts > 0
        gaps = np.abs(self.score - self.share)[filled]
        return float((gaps * self.counts[filled]).sum() / max(self.counts.sum(), 1))


def reliability(scores: NDArray[Any], positive: NDArray[np.bool_], bins: int = 10) -> Reliability:
    """Compare scores with the labels.

    Args:
        scores: (L,) in [0, 1].
        positive: (L,) bool, whether each label holds.
        bins: their number, of equal width.

    Raises:
        ValueError: for less than one bin.
    """
    if bins < 1:
        raise ValueError(f"bins={bins}; expected at least 1.")
    edges = np.linspace(0, 1, bins + 1)
    places = np.clip(np.searchsorted(edges, scores, side="left") - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    with np.errstate(invalid="ignore"):
        score = np.bincount(places, weights=scores, minlength=bins) / counts
        share = np.bincount(places, weights=positive, minlength=bins) / counts
    return Reliability(edges, counts, score, share)


def reliability_table(found: Reliability) -> str:
    """Lay it out as text, a line a bin, in percent."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("score", "labels", "mean score", "positive"):
        table.add_column(column, justify="right")
    for i, count in enumerate(found.counts.tolist()):
        means = (found.score[i], found.share[i])
        cells = [f"{100 * value:.1f}" for value in means] if count else ["-", "-"]
        table.add_row(
            f"{100 * found.edges[i]:.0f} to {100 * found.edges[i + 1]:.0f}", str(count), *cells
        )
    text = StringIO()
    Console(file=text, width=100, color_system=None).print(table)
    title = f"Reliability: expected calibration error {100 * found.error:.2f} %"
    lines = [title, "", *text.getvalue().strip("\n").splitlines()]
    return "\n".join(line.rstrip() for line in lines)


def fit_temperature(scores: NDArray[Any], positive: NDArray[np.bool_]) -> float:
    """The temperature T > 0 for which sigmoid(logit / T) has the least binary cross entropy.

    It sharpens or softens all scores alike and changes no ranking; a score of 0.5 stays. One number
    for all classes (arXiv 1706.04599).

    Args:
        scores: (L,) sigmoids in [0, 1].
        positive: (L,) bool.

    Returns:
        T, within [0.05, 20].
    """
    logits = _logits(scores)
    sharpness = 1.0  # 1 / T, in which the cross entropy is convex
    for _ in range(_STEPS):
        p = _sigmoid(sharpness * logits)
        slope = float(((p - positive) * logits).sum())
        curvature = float((p * (1 - p) * logits * logits).sum())
        # Half a power of two at most a step: Newton's own would run away where p is nearly flat.
        step = slope / max(curvature, 1e-12)
        wanted = float(np.clip(sharpness - step, sharpness / 2, sharpness * 2))
        wanted = float(np.clip(wanted, 0.05, 20))
        done = abs(wanted - sharpness) <= 1e-9 * sharpness
        sharpness = wanted
        if done:
            break
    return 1 / sharpness


def scaled_scores(scores: NDArray[Any], temperature: float) -> NDArray[np.float32]:
    """sigmoid(logit / temperature) of sigmoids, float32."""
    return _sigmoid(_logits(scores) / temperature).astype(np.float32)


def _logits(scores: NDArray[Any]) -> NDArray[np.float64]:
    clipped = np.clip(scores.astype(np.float64), _LEAST, 1 - _LEAST)
    found: NDArray[np.float64] = np.log(clipped) - np.log1p(-clipped)
    return found


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1 / (1 + np.exp(-logits))
    return found
