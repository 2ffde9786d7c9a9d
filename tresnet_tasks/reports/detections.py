"""Boxes as pictures: found ones with class and score on the image, known ones with their class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .figure_files import new_figure, readable, save_figure, shorten, text_style

_SIDE = 4.2  # inches of the longer side of an image
_GOLDEN = 0.618034  # neighbouring labels get hues far apart
_LABEL = 0.06  # height of a label, a share of the image's


@dataclass(frozen=True)
class DrawnDetections:
    """An image and the N objects found on it, or known to be there.

    Attributes:
        image: (H, W, 3) uint8 RGB, of any size.
        bboxes: (N, 4) x1, y1, x2, y2 in pixels of ``image``.
        names: (N,) names of the classes.
        scores: (N,) in [0, 1]; None for known objects, whose names stand alone.
        labels: (N,) ids of the classes; each has a colour of its own.
        masks: (N, h, w) of 0 and 1, of any size, laid over the whole image; None draws boxes alone.
        title: stands above the image, e.g. the file's name.
    """

    image: NDArray[np.uint8]
    bboxes: NDArray[np.float32]
    names: Sequence[str]
    scores: Sequence[float] | None
    labels: Sequence[int]
    masks: NDArray[np.uint8] | None = None
    title: str = ""

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                f"got an image of shape {self.image.shape}, {self.image.dtype}; expected "
                "(H, W, 3) uint8, RGB."
            )
        scores = self.names if self.scores is None else self.scores
        counts = {len(self.bboxes), len(self.names), len(scores), len(self.labels)}
        if len(counts) > 1:
            raise ValueError(
                f"got {len(self.bboxes)} boxes, {len(self.names)} names, {len(scores)} scores "
                f"and {len(self.labels)} labels; expected as many of each."
            )


def draw_detections(
    pictures: DrawnDetections | Sequence[DrawnDetections],
    path: str | Path,
    columns: int | None = None,
) -> Path:
    """Draw boxes, names and scores on one image, or on several on one sheet.

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
    if isinstance(pictures, DrawnDetections):
        pictures = [pictures]
    if not pictures:
        raise ValueError("there are no detections to draw; give at least one image.")
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    rows = math.ceil(len(pictures) / columns)
    figure = new_figure(columns * (_SIDE + 0.3), rows * (_SIDE + 0.5))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, picture in zip(grid.flat, pictures, strict=False):
        draw_boxes(axes, picture)
    for axes in grid.flat[len(pictures) :]:
        axes.axis("off")
    return save_figure(figure, path)


def draw_boxes(axes: Any, picture: DrawnDetections) -> None:
    """Draw one image with its boxes into matplotlib's axes."""
    from matplotlib.patches import Rectangle

    height, width = picture.image.shape[:2]
    extent = (0, width, height, 0)  # box edges lie between pixels
    axes.imshow(picture.image, extent=extent, interpolation="bicubic")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(shorten(readable(picture.title, ""), 40), fontsize=9, **text_style())
    # The best last, on top of the others.
    for index in reversed(range(len(picture.names))):
        x1, y1, x2, y2 = map(float, picture.bboxes[index])
        label = int(picture.labels[index])
        colour = _colour(label)
        axes.add_patch(
            Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, linewidth=1.6)
        )
        if picture.masks is not None:
            layer = np.zeros((*picture.masks[index].shape, 4))
            layer[picture.masks[index] > 0] = (*colour, 0.35)
            axes.imshow(layer, extent=extent, interpolation="nearest")
        name = shorten(readable(picture.names[index], f"#{label}"), 20)
        score = "" if picture.scores is None else f" {100 * picture.scores[index]:.0f} %"
        axes.text(
            min(max(x1, 0), width),
            min(max(y1, 0), height),
            f"{name}{score}",
            fontsize=7,
            color="white",
            va="bottom" if y1 > _LABEL * height else "top",  # inside, where there is no room above
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.0},
            clip_on=True,
            **text_style(),
        )
    axes.set(xlim=(0, width), ylim=(height, 0))


def _colour(label: int) -> tuple[float, float, float]:
    from matplotlib.colors import hsv_to_rgb

    red, green, blue = hsv_to_rgb((label * _GOLDEN % 1, 0.85, 0.75))
    return float(red), float(green), float(blue)
