"""Predictions as pictures: each image beside its best classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .figure_files import new_figure, readable, save_figure, shorten, text_style

_IMAGE_SIDE = 2.6  # inches
_BARS_WIDTH = 2.9
_PIXELS = 520  # larger images are reduced to this before they are drawn: they would take seconds
_RIGHT, _WRONG, _UNKNOWN = "#2e8b57", "#c0392b", "#4a6fa5"


@dataclass(frozen=True)
class DrawnPrediction:
    """An image and what was predicted for it.

    Attributes:
        image: (H, W, 3) uint8 RGB, of any size.
        names: (K,) names of the best classes, the best first.
        scores: (K,) their scores in [0, 1]; None draws the name alone, as of labels that are known.
        labels: (K,) their ids, shown where no font has a name's characters.
        title: stands above the image, e.g. the file's name.
        chosen: how many of the first classes are predicted, and so stand out; with several labels an
            image any number.
        target: name of the right class if it is known; then a right prediction is green and a wrong
            one red.
    """

    image: NDArray[np.uint8]
    names: Sequence[str]
    scores: Sequence[float | None]
    labels: Sequence[int] | None = None
    title: str = ""
    target: str | None = None
    chosen: int = 1

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                f"got an image of shape {self.image.shape}, {self.image.dtype}; expected "
                "(H, W, 3) uint8, RGB."
            )
        if not len(self.names) or len(self.names) != len(self.scores):
            raise ValueError(
                f"got {len(self.names)} class names and {len(self.scores)} scores; expected as "
                "many, at least one."
            )

    @property
    def correct(self) -> bool | None:
        """Whether the best class is the right one; None where the right one is not known."""
        return None if self.target is None else self.names[0] == self.target


def draw_prediction(prediction: DrawnPrediction, path: str | Path) -> Path:
    """Draw one image, enlarged to a readable size, beside its best classes and their scores.

    Args:
        prediction: what to draw.
        path: the PNG file to write.

    Returns:
        ``path``.

    Raises:
        OSError: if the file cannot be written.
    """
    return draw_contact_sheet([prediction], path)


def draw_contact_sheet(
    predictions: Sequence[DrawnPrediction], path: str | Path, columns: int | None = None
) -> Path:
    """Draw several predictions on one sheet.

    Args:
        predictions: what to draw, row by row; some tens stay legible.
        path: the PNG file to write.
        columns: predictions in a row; None makes the sheet about as wide as high.

    Returns:
        ``path``.

    Raises:
        ValueError: if there is nothing to draw or ``columns`` is below 1.
        OSError: if the file cannot be written.
    """
    if not predictions:
        raise ValueError("there are no predictions to draw; give at least one.")
    cell_width, cell_height = _IMAGE_SIDE + _BARS_WIDTH + 0.4, _IMAGE_SIDE + 0.6
    if columns is None:
        columns = max(1, round(math.sqrt(len(predictions) * cell_height / cell_width)))
    if columns < 1:
        raise ValueError(f"columns is {columns}; it must be at least 1.")
    columns = min(columns, len(predictions))
    rows = math.ceil(len(predictions) / columns)
    figure = new_figure(columns * cell_width, rows * cell_height)
    for i, prediction in enumerate(predictions):
        row, column = divmod(i, columns)
        _draw_cell(figure, prediction, column * cell_width, (rows - 1 - row) * cell_height)
    return save_figure(figure, path)


def _draw_cell(figure: Any, prediction: DrawnPrediction, x: float, y: float) -> None:
    """Draw one prediction into a cell whose lower left corner is at (x, y), in inches."""
    width, height = figure.get_size_inches()
    colour = {True: _RIGHT, False: _WRONG, None: _UNKNOWN}[prediction.correct]
    x, y = x + 0.15, y + 0.1

    def add_axes(left: float, bottom: float, wide: float, high: float) -> Any:
        return figure.add_axes((left / width, bottom / height, wide / width, high / height))

    picture = add_axes(x, y, _IMAGE_SIDE, _IMAGE_SIDE)
    picture.imshow(_reduced(prediction.image), interpolation="bicubic")
    picture.set_anchor("N")
    picture.set_xticks([])
    picture.set_yticks([])
    for side in picture.spines.values():
        side.set(color=colour, linewidth=1 if prediction.correct is None else 3)

    heading = shorten(readable(prediction.title, ""), 34)
    figure.text(
        x / width,
        (y + _IMAGE_SIDE + 0.1) / height,
        heading,
        fontsize=9,
        va="bottom",
        **text_style(),
    )
    if prediction.target is not None:
        truth = shorten(readable(prediction.target, "?"), 24)
        verdict = f"✓ {truth}" if prediction.correct else f"✗ is {truth}"
        figure.text(
            (x + _IMAGE_SIDE + 0.2) / width,
            (y + _IMAGE_SIDE + 0.1) / height,
            verdict,
            fontsize=10,
            fontweight="bold",
            color=colour,
            va="bottom",
            **text_style(),
        )

    count = len(prediction.names)
    row = min(0.52, _IMAGE_SIDE / count)
    bars = add_axes(
        x + _IMAGE_SIDE + 0.2, y + _IMAGE_SIDE - row * count, _BARS_WIDTH - 0.2, row * count
    )
    bars.set(xlim=(0, 1), ylim=(count, 0))
    bars.axis("off")
    labels = prediction.labels if prediction.labels is not None else range(count)
    for i, (name, score, label) in enumerate(
        zip(prediction.names, prediction.scores, labels, strict=True)
    ):
        weight = "bold" if i < prediction.chosen else "normal"
        text = shorten(readable(name, f"#{label}"), 23)
        bars.text(0, i + 0.34, text, fontsize=10, fontweight=weight, va="center", **text_style())
        if score is None:
            continue
        bars.text(
            1,
            i + 0.34,
            f"{100 * score:.1f} %",
            fontsize=10,
            fontweight=weight,
            va="center",
            ha="right",
        )
        bars.barh(i + 0.72, 1, height=0.16, color="#e8e8e8")
        bars.barh(
            i + 0.72,
            min(max(score, 0.0), 1.0),
            height=0.16,
            color=colour if i < prediction.chosen else "#9aa7b5",
        )


def _reduced(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image, scaled down if its longer side has more pixels than will be seen."""
    from PIL import Image

    if max(image.shape[:2]) <= _PIXELS:
        return image
    picture = Image.fromarray(image)
    picture.thumbnail((_PIXELS, _PIXELS), Image.Resampling.LANCZOS)
    return np.asarray(picture)
