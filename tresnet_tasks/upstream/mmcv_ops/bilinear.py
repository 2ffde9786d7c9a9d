"""Bilinear reading of a feature map, by the rule that RoIAlign and its relatives share."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Corners(NamedTuple):
    """The four cells that each point reads."""

    cell: Tensor
    """(..., 4) int64 in [0, height * width)."""
    weight: Tensor
    """(..., 4), differentiable in the point; 0 for points outside."""


def corners(y: Tensor, x: Tensor, height: int, width: int) -> Corners:
    """The cells and weights of points in a feature map.

    Args:
        y: (...), in cells; 0 is the centre of the first row.
        x: (...), in cells.
        height: of the map.
        width: of the map.

    Points up to one cell outside read the border; points further out, and NaN, read nothing.
    """
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    low_y, high_y, share_y = _interval(torch.where(inside, y, 0.0), height)
    low_x, high_x, share_x = _interval(torch.where(inside, x, 0.0), width)
    cell = torch.stack(
        [
            low_y * width + low_x,
            low_y * width + high_x,
            high_y * width + low_x,
            high_y * width + high_x,
        ],
        dim=-1,
    )
    weight = torch.stack(
        [
            (1 - share_y) * (1 - share_x),
            (1 - share_y) * share_x,
            share_y * (1 - share_x),
            share_y * share_x,
        ],
        dim=-1,
    )
    return Corners(cell, torch.where(inside[..., None], weight, 0.0))


def _interval(position: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The cells on both sides of each position, and the share of the second."""
    position = position.clamp(0, size - 1)
    low = position.detach().floor().long()
    return low, (low + 1).clamp(max=size - 1), position - low


def as_table(features: Tensor) -> Tensor:
    """(N, C, H, W) as a table (N * H * W, C), one row a cell: a copy."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def read(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums of rows of a table, without a copy of those rows.

    Args:
        table: (R, C).
        index: (B, K) int64 rows.
        weight: (B, K).

    Returns:
        (B, C).
    """
    return functional.embedding_bag(index, table, per_sample_weights=weight, mode="sum")
