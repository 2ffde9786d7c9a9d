"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..registry import VISUALIZERS
from .figure_files import new_figure, readable, save_figure, shorten, text_style

_NUMBERED = 30  # up to so many classes each cell shows its count
_NAMED = 100  # up to so many classes each row and column shows its name
_LISTED = 40  # with more classes than _NUMBERED so many confusions are named beside the picture


def draw_confusion_matrix(
    matrix: ArrayLike, classes: Sequence[str], path: str | Path, title: str = "Confusion matrix"
) -> Path:
    """Draw which classes are taken for which.

    Colours show the fraction of each row, so that rare classes can be compared with frequent ones.
    Up to 30 classes the cells carry their counts, up to 100 the axes carry the names; beyond, a
    list beside the picture names the most frequent confusions.

    Args:
        matrix: (C, C) counts, row = right class, column = predicted class.
        classes: (C,) names.
        path: the PNG file to write.
        title: stands above the picture.

    Returns:
        ``path``.

    Raises:
        ValueError: if the shapes do not fit or a count is negative.
        OSError: if the file cannot be written.
    """
    from matplotlib.colors import PowerNorm

    counts = np.asarray(matrix)
    size = len(classes)
    if counts.shape != (size, size) or not size:
        raise ValueError(
            f"got a matrix of shape {counts.shape} and {size} class names; expected (C, C) and "
            "C names, C >= 1."
        )
    if (counts < 0).any():
        raise ValueError("the matrix has a negative count; expected counts of samples.")
    names = [shorten(readable(name, f"#{i}"), 24) for i, name in enumerate(classes)]
    support = counts.sum(axis=1, keepdims=True)
    fractions = counts / np.maximum(support, 1)
    total = int(counts.sum())
    correct = np.trace(counts) / max(total, 1)

    side = float(np.clip(0.42 * size, 3.2, 12.6)) if size <= _NUMBERED else 12.0
    beside = 0.0 if size <= _NUMBERED else 4.6
    labels = 0.5 + (0.085 * max(map(len, names)) if size <= _NAMED else 0.4)
    above, right = 0.55, 1.1 + beside
    width, height = labels + 0.4 + side + right, labels + 0.4 + side + above
    figure = new_figure(width, height)
    axes = figure.add_axes(
        ((labels + 0.4) / width, (labels + 0.4) / height, side / width, side / height)
    )
    # Square root: a confusion of one in fifty must be seen too, without a number in its cell.
    scale = PowerNorm(0.5, vmin=0, vmax=1)
    image = axes.imshow(fractions, cmap="Blues", norm=scale, interpolation="nearest")
    figure.text(
        (labels + 0.4) / width,
        1 - 0.3 / height,
        f"{title}: {100 * correct:.2f} % of {total:,} correct",
        fontsize=12,
        va="center",
        **text_style(),
    )
    axes.set_xlabel("predicted class")
    axes.set_ylabel("right class")
    if size <= _NAMED:
        fontsize = 9 if size <= _NUMBERED else max(5.0, 9 - 0.05 * size)
        axes.set_xticks(range(size), names, rotation=90, fontsize=fontsize, **text_style())
        axes.set_yticks(range(size), names, fontsize=fontsize, **text_style())
    if size <= _NUMBERED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            axes.text(
                column,
                row,
                _brief(int(counts[row, column])),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if fractions[row, column] > 0.3 else "black",
            )
    bar = figure.add_axes(
        (1 - (right - 0.2) / width, (labels + 0.4) / height, 0.18 / width, side / height)
    )
    figure.colorbar(image, cax=bar, label="fraction of the right class")
    if beside:
        _list_confusions(
            figure, counts, names, 1 - (beside - 0.3) / width, 1 - (above + 0.1) / height
        )
    return save_figure(figure, path)


VISUALIZERS.register_module(module=draw_confusion_matrix)


def _list_confusions(
    figure: Any, counts: NDArray[Any], names: Sequence[str], x: float, y: float
) -> None:
    """Name the most frequent confusions in a column of text, its upper left corner at (x, y)."""
    off = counts.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:_LISTED]
    lines = ["Most frequent confusions", "(right → predicted: count)", ""]
    for row, column in zip(*np.unravel_index(order, off.shape), strict=True):
        if off[row, column]:
            right, predicted = shorten(names[row], 18), shorten(names[column], 18)
            lines.append(f"{right} → {predicted}: {off[row, column]}")
    if len(lines) == 3:
        lines.append("none")
    figure.text(x, y, "\n".join(lines), fontsize=10, va="top", linespacing=1.5, **text_style())


def _brief(count: int) -> str:
    """A count in at most four characters."""
    for unit, suffix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= 10 * unit:
            return f"{count // unit}{suffix}"
    return str(count)
