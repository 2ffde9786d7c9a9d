"""``deform_roi_pool``: plain torch."""

from __future__ import annotations

from torch import Tensor

from .precision import operator, widened
from .roi_align import average, average_backward
from .roi_bins import AlignedBins


def _shift(offset: Tensor, bins: AlignedBins, gamma: float) -> Tensor | None:
    """(K, 2, rows, columns): by how many cells (y, x) each bin moves."""
    if offset.numel() == 0:
        return None
    # The offsets are x first, in units of the region's size.
    return gamma * widened(offset).flip(1) * bins.size[:, :, None, None]


@operator
def deform_roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    *,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """RoIAlign whose bins move (Dai et al. 2017, Zhu et al. 2019), written into ``output``.

    Args:
        input: (N, C, H, W).
        rois: (K, 5): number of the image, x1, y1, x2, y2 in pixels.
        offset: (K, 2, rows, columns), x and y in units of gamma times the region's size; or empty.
        output: (K, C, rows, columns).
        pooled_height: rows of bins.
        pooled_width: columns of bins.
        spatial_scale: cells of the feature map in a pixel.
        sampling_ratio: points in a bin along each side; 0 for one every cell.
        gamma: scale of the offsets.

    Memory: a copy of ``input`` and about 200 MiB; backward two copies of ``input`` and about 200 MiB;
    however large a region is.
    """
    features = widened(input)
    shape = (pooled_height, pooled_width)
    bins = AlignedBins.of(rois.to(features.dtype), shape, spatial_scale, sampling_ratio, True)
    output.copy_(average(features, bins, _shift(offset, bins, gamma)))


@operator
def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    *,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Derivatives of `deform_roi_pool_forward`, written into ``grad_input`` and ``grad_offset``.

    Args and memory: see there. At the border, where mmcv's kernel goes on reading outside, the
    derivative in ``offset`` is that of the value.
    """
    features = widened(input)
    shape = (pooled_height, pooled_width)
    bins = AlignedBins.of(rois.to(features.dtype), shape, spatial_scale, sampling_ratio, True)
    shift = _shift(offset, bins, gamma)
    grads, grad_shift = average_backward(widened(grad_output), features, bins, shift)
    grad_input.copy_(grads)
    if grad_shift is not None:
        grad_offset.copy_((gamma * grad_shift * bins.size[:, :, None, None]).flip(1))
