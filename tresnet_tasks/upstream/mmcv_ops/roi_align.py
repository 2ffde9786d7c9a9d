"""``roi_align``: torchvision's kernels for averages, plain torch for maxima and where determinism is
asked for."""

from __future__ import annotations

import torch
import torchvision  # noqa: F401  # registers torch.ops.torchvision
from torch import Tensor

from .bilinear import as_table, corners, read
from .precision import operator, widened
from .roi_bins import AlignedBins, finite_rois

MAX, AVERAGE = 0, 1
POINTS_AT_ONCE = 2**19
NUMBERS_AT_ONCE = 2**23

# Not torchvision.ops.roi_align: under torch.use_deterministic_algorithms that takes a path in Python
# which reads the whole feature map for each bin, up to hundreds of GB when it is not compiled.
_kernel = torch.ops.torchvision


def _kernel_will_do(features: Tensor) -> bool:
    """Whether torchvision's kernel may be used: on CUDA its backward is not deterministic."""
    return features.device.type == "cpu" or not torch.are_deterministic_algorithms_enabled()


def _safe(rois: Tensor, spatial_scale: float, sampling_ratio: int) -> Tensor:
    """Regions of which torchvision's CPU kernel does not ask for a negative size of memory.

    Where it counts the points itself, regions that are inside out get the size 0: no points.
    """
    rois = finite_rois(rois, spatial_scale)
    if sampling_ratio > 0:
        return rois
    return torch.cat([rois[:, :3], torch.maximum(rois[:, 1:3], rois[:, 3:])], dim=1)


@operator
def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """RoIAlign (He et al. 2017), written into ``output``.

    Args:
        input: (N, C, H, W).
        rois: (K, 5): number of the image, x1, y1, x2, y2 in pixels.
        output: (K, C, aligned_height, aligned_width). A bin without points is 0.
        argmax_y: filled with the y of each maximum, in cells, -1 for none; empty for averages.
        argmax_x: likewise.
        aligned_height: rows of bins.
        aligned_width: columns of bins.
        spatial_scale: cells of the feature map in a pixel.
        sampling_ratio: points in a bin along each side; 0 for one every cell.
        pool_mode: 0 for maxima, 1 for averages.
        aligned: pixel centres at 0.5; otherwise at 0, and regions are at least one cell wide.

    Memory: torchvision's kernel, where it serves, needs nothing but the output on CUDA, and on the
    CPU 40 bytes for each point of one region; a float32 copy of a half ``input``. Plain torch (see
    `_kernel_will_do`, and maxima): a copy of ``input``, some of ``output`` and about 200 MiB,
    however large a region is, if C x bins stays below 2^23.
    """
    features = widened(input)
    boxes = _safe(rois.to(features.dtype), spatial_scale, sampling_ratio)
    shape = (aligned_height, aligned_width)
    if pool_mode == AVERAGE and _kernel_will_do(features):
        output.copy_(
            _kernel.roi_align(features, boxes, spatial_scale, *shape, sampling_ratio, aligned)
        )
        return
    bins = AlignedBins.of(boxes, shape, spatial_scale, sampling_ratio, aligned)
    if pool_mode == AVERAGE:
        output.copy_(average(features, bins))
    else:
        _maximum(features, bins, output, argmax_y, argmax_x)


def average(features: Tensor, bins: AlignedBins, shift: Tensor | None = None) -> Tensor:
    """The mean of the points of each bin.

    Args:
        features: (N, C, H, W), float32 or float64.
        bins: of K regions.
        shift: (K, 2, rows, columns), by how many cells (y, x) each bin is moved.

    Returns:
        (K, C, rows, columns).
    """
    channels, height, width = features.shape[1:]
    table = as_table(features)
    result = table.new_zeros(len(bins.image), bins.shape[0] * bins.shape[1], channels)
    for piece in bins.pieces(POINTS_AT_ONCE):
        y, x = bins.points(piece)
        if shift is not None:
            moved = shift[piece.rois].flatten(2)[..., None]
            y, x = y + moved[:, 0], x + moved[:, 1]
        index, weight = corners(y, x, height, width)
        index += (bins.image[piece.rois] * height * width)[:, None, None, None]
        sums = read(table, index.flatten(0, 1).flatten(1), weight.flatten(0, 1).flatten(1))
        points = piece.grid[0] * piece.grid[1]
        result.index_add_(0, piece.rois, sums.view(len(piece.rois), -1, channels) / points)
    return result.transpose(1, 2).reshape(len(result), channels, *bins.shape)


def average_backward(
    grad_output: Tensor, features: Tensor, bins: AlignedBins, shift: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Derivatives of `average` in ``features`` and, where given, in ``shift``.

    Args:
        grad_output: (K, C, rows, columns).
        features: (N, C, H, W); only its shape counts when there is no ``shift``.
        bins: of K regions.
        shift: as in `average`.

    Every sum is deterministic under ``torch.use_deterministic_algorithms``.
    """
    images, channels, height, width = features.shape
    table = None if shift is None else as_table(features)
    grad_table = grad_output.new_zeros(images * height * width, channels)
    grad_shift = None if shift is None else torch.zeros_like(shift)
    grads = grad_output.flatten(2).transpose(1, 2)
    # Each point has four rows of C numbers here.
    for piece in bins.pieces(max(1, NUMBERS_AT_ONCE // (4 * channels))):
        y, x = bins.points(piece)
        with torch.enable_grad():
            moved = None
            if shift is not None:
                moved = shift[piece.rois].requires_grad_()
                y = y + moved[:, 0].flatten(1)[..., None]
                x = x + moved[:, 1].flatten(1)[..., None]
            index, weight = corners(y, x, height, width)
        index += (bins.image[piece.rois] * height * width)[:, None, None, None]
        # (k, bins, 1, 1, C): the same for each point of a bin.
        grad = grads[piece.rois][:, :, None, None] / (piece.grid[0] * piece.grid[1])
        rows = weight.detach()[..., None] * grad
        grad_table.index_add_(0, index.flatten(), rows.flatten(0, 3))
        if table is not None and moved is not None and grad_shift is not None:
            cells = table[index.flatten()].view(rows.shape)
            (part,) = torch.autograd.grad(weight, moved, (cells * grad).sum(-1))
            grad_shift.index_add_(0, piece.rois, part)
    grad_features = grad_table.view(images, height, width, channels).permute(0, 3, 1, 2)
    return grad_features, grad_shift


def _maximum(
    features: Tensor, bins: AlignedBins, output: Tensor, argmax_y: Tensor, argmax_x: Tensor
) -> None:
    channels, height, width = features.shape[1:]
    table = as_table(features)
    rois, count = len(bins.image), bins.shape[0] * bins.shape[1]
    best = table.new_full((rois, count, channels), -torch.inf)
    best_y, best_x = torch.full_like(best, -1), torch.full_like(best, -1)
    for piece in bins.pieces(max(1, NUMBERS_AT_ONCE // channels)):
        y, x = bins.points(piece)
        index, weight = corners(y, x, height, width)
        index += (bins.image[piece.rois] * height * width)[:, None, None, None]
        values = read(table, index.flatten(0, 2), weight.flatten(0, 2)).view(*y.shape, channels)
        value, point = values.max(dim=2)
        # Earlier pieces hold earlier points: they win a tie.
        better = value > best[piece.rois]
        for target, source in (
            (best, value),
            (best_y, y.gather(2, point)),
            (best_x, x.gather(2, point)),
        ):
            target[piece.rois] = torch.where(better, source, target[piece.rois])
    best.masked_fill_(best == -torch.inf, 0)
    for target, source in ((output, best), (argmax_y, best_y), (argmax_x, best_x)):
        target.copy_(source.transpose(1, 2).reshape(output.shape))


@operator
def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Derivative of `roi_align_forward` in ``input``, written into ``grad_input`` (N, C, H, W).

    Args and memory: see `roi_align_forward`; ``grad_output`` has the shape of its ``output``.
    """
    grad = widened(grad_output)
    boxes = _safe(rois.to(grad.dtype), spatial_scale, sampling_ratio)
    shape = (aligned_height, aligned_width)
    if pool_mode == MAX:
        _maximum_backward(grad, boxes, widened(argmax_y), widened(argmax_x), grad_input)
    elif _kernel_will_do(grad):
        grad_input.copy_(
            _kernel._roi_align_backward(
                grad, boxes, spatial_scale, *shape, *grad_input.shape, sampling_ratio, aligned
            )
        )
    else:
        bins = AlignedBins.of(boxes, shape, spatial_scale, sampling_ratio, aligned)
        grad_input.copy_(average_backward(grad, grad_input, bins)[0])


def _maximum_backward(
    grad: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor
) -> None:
    _, channels, height, width = grad_input.shape
    total = grad.new_zeros(grad_input.numel())
    plane = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=grad.device)
    rois_at_once = max(1, NUMBERS_AT_ONCE // (4 * max(1, grad[:1].numel())))
    for part in torch.split(torch.arange(len(rois), device=grad.device), rois_at_once):
        y, x = argmax_y[part], argmax_x[part]
        index, weight = corners(y, x, height, width)
        index += (plane[part] * height * width)[:, :, None, None, None]
        has_points = (y != -1)[..., None]
        values = torch.where(has_points, weight * grad[part][..., None], 0.0)
        total.index_add_(0, index.flatten(), values.flatten())
    grad_input.copy_(total.view(grad_input.shape))
