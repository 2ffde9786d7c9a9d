"""``roi_pool``: plain torch. torchvision's rounds regions to whole cells, mmcv's does not."""

from __future__ import annotations

import torch
from torch import Tensor

from .bilinear import as_table
from .precision import operator, widened
from .roi_bins import finite_rois, pieces

NUMBERS_AT_ONCE = 2**23


def _cells(start: Tensor, length: Tensor, bins: int, size: int) -> tuple[Tensor, Tensor]:
    """First and last-but-one cells of each bin along one side: each (K, bins) int64."""
    edge = torch.arange(bins + 1, device=start.device) * (length / bins)[:, None] + start[:, None]
    first = edge[:, :-1].floor().clamp(0, size).long()
    return first, edge[:, 1:].ceil().clamp(0, size).long()


@operator
def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    *,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """The maximum of each bin (Girshick 2015), written into ``output``.

    Args:
        input: (N, C, H, W).
        rois: (K, 5): number of the image, x1, y1, x2, y2 in pixels, the last pixel included.
        output: (K, C, pooled_height, pooled_width). A bin without cells is 0.
        argmax: same shape, int32, filled with the cell of each maximum, y * W + x; -1 for none.
        pooled_height: rows of bins.
        pooled_width: columns of bins.
        spatial_scale: cells of the feature map in a pixel.

    Memory: copies of ``input`` and ``output`` and about 200 MiB, if C x bins stays below 2^23.
    """
    features = widened(input)
    boxes = finite_rois(rois.to(features.dtype), spatial_scale)
    channels, height, width = features.shape[1:]
    table, image = as_table(features), boxes[:, 0].long()
    corner = boxes[:, 1:3] * spatial_scale
    extent = (boxes[:, 3:] + 1) * spatial_scale - corner
    top, bottom = _cells(corner[:, 1], extent[:, 1], pooled_height, height)
    left, right = _cells(corner[:, 0], extent[:, 0], pooled_width, width)
    real = (extent > 0).all(1)
    grid_h = torch.where(real, (bottom - top).amax(1), 0)
    grid_w = torch.where(real, (right - left).amax(1), 0)
    count = pooled_height * pooled_width
    best = table.new_full((len(boxes), count, channels), -torch.inf)
    best_cell = torch.full_like(best, -1, dtype=torch.int64)
    for piece in pieces(grid_h, grid_w, count, max(1, NUMBERS_AT_ONCE // channels)):
        rows = top[piece.rois, :, None] + piece.row
        columns = left[piece.rois, :, None] + piece.column
        # (k, rows of bins, columns of bins, points)
        inside = (rows < bottom[piece.rois, :, None])[:, :, None]
        inside = (inside & (columns < right[piece.rois, :, None])[:, None]).flatten(1, 2)
        cell = rows.clamp(max=height - 1)[:, :, None] * width
        cell = (cell + columns.clamp(max=width - 1)[:, None]).flatten(1, 2)
        values = table[image[piece.rois, None, None] * height * width + cell]
        value, point = values.masked_fill_(~inside[..., None], -torch.inf).max(dim=2)
        better = value > best[piece.rois]
        best[piece.rois] = torch.where(better, value, best[piece.rois])
        best_cell[piece.rois] = torch.where(better, cell.gather(2, point), best_cell[piece.rois])
    best.masked_fill_(best_cell < 0, 0)
    output.copy_(best.transpose(1, 2).reshape(output.shape))
    argmax.copy_(best_cell.transpose(1, 2).reshape(output.shape))


@operator
def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    *,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Derivative of `roi_pool_forward` in ``input``, written into ``grad_input`` (N, C, H, W).

    Args: see there. Memory: about 3 tensors of the size of ``grad_output``, one of ``grad_input``.
    """
    grad = widened(grad_output)
    _, channels, height, width = grad_input.shape
    image = finite_rois(rois, spatial_scale)[:, 0].long()
    plane = image[:, None] * channels + torch.arange(channels, device=grad.device)
    found = argmax >= 0
    index = torch.where(found, argmax, 0).long() + (plane * height * width)[:, :, None, None]
    total = grad.new_zeros(grad_input.numel())
    total.index_add_(0, index.flatten(), torch.where(found, grad, 0.0).flatten())
    grad_input.copy_(total.view(grad_input.shape))
