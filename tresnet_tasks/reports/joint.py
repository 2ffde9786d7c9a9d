"""All answers to an image on one picture: boxes on it, classes and tags beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .detections import DrawnDetections, draw_boxes
from .figure_files import new_figure, readable, save_figure, shorten, text_style

_SIDE = 3.6  # inches of an image
_TEXT = 1.9
_LINES = 14  # beside an image

# Name, score (None where the label is known), and whether it is predicted.
Label = tuple[str, float | None, bool]


@dataclass(frozen=True)
class DrawnJoint:
    """An image with what each head says of it.

    Attributes:
        picture: the image and the boxes on it, if any.
        labels: the best labels of each classification head, by the head's name.
    """

    picture: DrawnDetections
    labels: Mapping[str, Sequence[Label]]


def draw_joint(
    pictures: Sequence[DrawnJoint], path: str | Path, columns: int | None = None
) -> Path:
    """Draw one sheet.

    Args:
        pictures: what to draw, row by row.
        path: the PNG file to write.
        columns: images in a row; None makes about as many rows.

    Returns:
        ``path``.

    Raises:
        ValueError: if there is nothing to draw.
        OSError: if the file cannot be written.
    """
    if not pictures:
        raise ValueError("there are no predictions to draw; give at least one image.")
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    rows = math.ceil(len(pictures) / columns)
    figure = new_figure(columns * (_SIDE + _TEXT + 0.2), rows * (_SIDE + 0.4))
    grid = figure.subplots(rows, 2 * columns, squeeze=False, width_ratios=[_SIDE, _TEXT] * columns)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.97, wspace=0.05, hspace=0.12)
    cells = [axes for row in grid for axes in zip(row[::2], row[1::2], strict=True)]
    for image, beside in cells:
        image.axis("off")
        beside.axis("off")
    for (image, beside), drawn in zip(cells, pictures, strict=False):
        image.axis("on")
        draw_boxes(image, drawn.picture)
        _write_labels(beside, drawn.labels)
    return save_figure(figure, path)


def _write_labels(axes: Any, labels: Mapping[str, Sequence[Label]]) -> None:
    axes.set(xlim=(0, 1), ylim=(_LINES, 0))
    line = 0.5
    for head, found in labels.items():
        axes.text(0, line, shorten(readable(head, "head"), 18), fontsize=9, color="#777777")
        line += 1
        for name, score, predicted in found:
            weight, colour = ("bold", "#4a6fa5") if predicted else ("normal", "#9aa7b5")
            style = {"fontsize": 9, "fontweight": weight}
            axes.text(0.03, line, shorten(readable(name, "?"), 16), **style, **text_style())
            if score is not None:
                share = min(max(score, 0.0), 1.0)
                axes.barh(line - 0.2, share, height=0.75, color=colour, alpha=0.25)
                axes.text(1, line, f"{100 * score:.0f} %", ha="right", **style)
            line += 1
        line += 0.6
