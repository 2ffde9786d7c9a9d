"""torchvision's deformable convolution, with mmcv's derivatives at the border."""

from __future__ import annotations

import torch
import torchvision  # noqa: F401  # registers torch.ops.torchvision
from torch import Tensor

from .precision import widened

kernel = torch.ops.torchvision


def gradients(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    arrangement: tuple[int, ...],
    mask: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Derivatives in input, weight, offset, mask and bias.

    Args:
        grad_output: (N, O, H', W').
        input: (N, C, H, W); the others as in `deform_conv.deform_conv_forward`.
        weight: see there.
        offset: see there.
        arrangement: stride, padding and dilation, each down and across, groups, groups of offsets.
        mask: as in `modulated_deform_conv.modulated_deform_conv_forward`.
    """
    features = widened(input)
    found: tuple[Tensor, ...] = kernel._deform_conv2d_backward(
        grad_output.to(features),
        features,
        weight.to(features),
        offset.to(features),
        features.new_zeros(len(input), 0) if mask is None else mask.to(features),
        features.new_zeros(len(weight)),
        *arrangement,
        mask is not None,
    )
    _rest_outside(found[2], offset.to(features), tuple(weight.shape[2:]), arrangement)
    return found


def _rest_outside(
    grad_offset: Tensor, offset: Tensor, taps: tuple[int, ...], arrangement: tuple[int, ...]
) -> None:
    """Clear the derivatives of points that lie exactly one cell before the first.

    The value has a kink there: torchvision takes the slope into the map, mmcv none. With padding 1
    and offsets of 0, as at the start of a training, the whole border lies there.
    """
    stride, padding, dilation = arrangement[:2], arrangement[2:4], arrangement[4:6]
    size = offset.shape[2:]
    place: list[Tensor] = []
    for axis in (0, 1):
        reach = torch.arange(taps[axis], device=offset.device) * dilation[axis]
        cells = torch.arange(size[axis], device=offset.device) * stride[axis] - padding[axis]
        shape = [1, 1, 1, 1]
        shape[axis], shape[axis + 2] = len(reach), len(cells)
        place.append((reach[:, None] + cells).view(shape).expand(*taps, *size))
    # (kernel rows, kernel columns, 2, rows, columns)
    outside = -1 - torch.stack(place, dim=2)
    shape = [len(offset), -1, *outside.shape]
    grad_offset.view(shape).masked_fill_(offset.reshape(shape) == outside, 0)
