"""CARAFE, reassembly by kernels that the net predicts: plain torch, one cell of the kernel at a time.

"Naive" and not are the same here; mmcv has two kernels that differ in how they lay out memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from .precision import operator, widened


def _cells(kernel_size: int) -> Iterator[tuple[int, slice, slice]]:
    """Number of each cell of the kernel and, in a padded map, where the cells under it begin."""
    for number in range(kernel_size**2):
        row, column = divmod(number, kernel_size)
        # The end, None where 0, leaves as much on the other side.
        yield (
            number,
            slice(row, (row + 1 - kernel_size) or None),
            slice(column, (column + 1 - kernel_size) or None),
        )


def _padded(features: Tensor, groups: int, kernel_size: int) -> Tensor:
    """(N, C, H, W) as (N, groups, C / groups, H + k - 1, W + k - 1)."""
    padded = functional.pad(features, [(kernel_size - 1) // 2] * 4)
    return padded.view(len(padded), groups, -1, *padded.shape[2:])


def _blocks(tensor: Tensor, groups: int, scale: int) -> Tensor:
    """(N, channels, H * scale, W * scale) as (N, groups, channels / groups, H, scale, W, scale)."""
    height, width = tensor.shape[2] // scale, tensor.shape[3] // scale
    return tensor.reshape(len(tensor), groups, -1, height, scale, width, scale)


def _forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    padded = _padded(widened(features), group_size, kernel_size)
    kernels = _blocks(masks.to(padded.dtype), group_size, scale_factor)
    total = _blocks(padded.new_zeros(output.shape), group_size, scale_factor)
    for number, rows, columns in _cells(kernel_size):
        under = padded[..., rows, columns][..., :, None, :, None]
        total.addcmul_(under, kernels[:, :, number : number + 1])
    output.copy_(total.reshape(output.shape))


def _backward(
    grad_output: Tensor,
    features: Tensor,
    masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    padded = _padded(widened(features), group_size, kernel_size)
    kernels = _blocks(masks.to(padded.dtype), group_size, scale_factor)
    grad = _blocks(grad_output.to(padded.dtype), group_size, scale_factor)
    grad_padded = torch.zeros_like(padded)
    grad_kernels = torch.zeros_like(kernels)
    for number, rows, columns in _cells(kernel_size):
        under = padded[..., rows, columns][..., :, None, :, None]
        grad_padded[..., rows, columns] += (grad * kernels[:, :, number : number + 1]).sum((4, 6))
        grad_kernels[:, :, number] = (grad * under).sum(2)
    border = (kernel_size - 1) // 2
    height, width = features.shape[2:]
    inner = grad_padded.flatten(1, 2)[..., border : border + height, border : border + width]
    grad_input.copy_(inner)
    grad_masks.copy_(grad_kernels.reshape(grad_masks.shape))


@operator
def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    *,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Upsample by predicted kernels (Wang et al. 2019), written into ``output``.

    Args:
        features: (N, C, H, W).
        masks: (N, group_size * kernel_size^2, H * scale_factor, W * scale_factor), the kernels.
        output: (N, C, H * scale_factor, W * scale_factor).
        kernel_size: side of a kernel, odd.
        group_size: blocks of channels that have their own kernels.
        scale_factor: cells of the output along a cell of the input.

    Memory: a padded copy of ``features`` and one tensor of the size of ``output``; backward two of
    these and copies of the gradients.
    """
    _forward(features, masks, output, kernel_size, group_size, scale_factor)


@operator
def carafe_naive_backward(
    top_grad: Tensor,
    features: Tensor,
    masks: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    *,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Derivatives of `carafe_naive_forward`, written into ``bottom_grad`` and ``mask_grad``."""
    _backward(
        top_grad, features, masks, bottom_grad, mask_grad, kernel_size, group_size, scale_factor
    )


@operator
def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    *,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """What `carafe_naive_forward` does.

    ``rfeatures`` is left with the features, which is all that mmcv hands to `carafe_backward`; the
    other tensors that begin with r are not used.
    """
    rfeatures.copy_(features)
    _forward(features, masks, output, kernel_size, group_size, scale_factor)


@operator
def carafe_backward(
    top_grad: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rtop_grad: Tensor,
    rbottom_grad_hs: Tensor,
    rbottom_grad: Tensor,
    rmask_grad: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    *,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Derivatives of `carafe_forward`, written into ``bottom_grad`` and ``mask_grad``."""
    _backward(
        top_grad, rfeatures, masks, bottom_grad, mask_grad, kernel_size, group_size, scale_factor
    )
