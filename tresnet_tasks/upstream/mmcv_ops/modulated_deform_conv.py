"""``modulated_deform_conv``: torchvision's kernels, which lay out offsets and masks as mmcv does."""

from __future__ import annotations

from torch import Size, Tensor
from torch.nn import functional

from .deform_kernel import gradients, kernel
from .precision import operator, widened


def _beginning(tensor: Tensor, size: Size) -> Tensor:
    """The first numbers of each image of a map (N, K, H, W) as a map of another ``size``.

    mmcv's modulated convolution never looks at the size of offsets and masks, it reads on. mmdet's
    DyHead relies on that: it hands the offsets of one level to the convolution of the next, smaller
    one, and its published weights were trained so.
    """
    if tensor.shape[2:] == size:
        return tensor
    needed = tensor.shape[1] * size.numel()
    if tensor[0].numel() < needed:
        raise ValueError(
            f"offsets or masks of {tuple(tensor.shape[2:])} cells are too few for a modulated "
            f"deformable convolution whose output has {tuple(size)}. Compute them from a map of "
            "the size of the output."
        )
    return tensor.flatten(1)[:, :needed].reshape(*tensor.shape[:2], *size)


def _set_beginning(target: Tensor, beginning: Tensor) -> None:
    """Write what `_beginning` takes; the other numbers of ``target`` become 0."""
    if target.shape == beginning.shape:
        target.copy_(beginning)
        return
    rest = target[0].numel() - beginning[0].numel()
    filled = functional.pad(beginning.flatten(1), (0, rest))
    target.copy_(filled.view(target.shape))


@operator
def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    *,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Modulated deformable convolution (Zhu et al. 2019), written into ``output``.

    Args:
        input: (N, C, H, W).
        weight: (O, C / group, kernel_h, kernel_w).
        bias: (O,), or empty.
        ones: not used.
        offset: (N, 2 * deformable_group * kernel_h * kernel_w, H', W'), y before x, in cells.
        mask: (N, deformable_group * kernel_h * kernel_w, H', W').
        output: (N, O, H', W').
        columns: not used.
        kernel_h: as in ``weight``, like ``kernel_w``.
        kernel_w: see ``kernel_h``.
        stride_h: stride.
        stride_w: stride.
        pad_h: zeros at the border.
        pad_w: zeros at the border.
        dilation_h: distance of the kernel's cells.
        dilation_w: distance of the kernel's cells.
        group: blocks of channels that are convolved apart.
        deformable_group: blocks of channels that have their own offsets and masks.
        with_bias: whether ``bias`` counts.

    Memory: see `deform_conv.deform_conv_forward`.
    """
    arrangement = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w)
    features = widened(input)
    output.copy_(
        kernel.deform_conv2d(
            features,
            weight.to(features),
            _beginning(offset, output.shape[2:]).to(features),
            _beginning(mask, output.shape[2:]).to(features),
            bias.to(features) if with_bias else features.new_zeros(len(weight)),
            *arrangement,
            group,
            deformable_group,
            True,
        )
    )


@operator
def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    *,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Derivatives of `modulated_deform_conv_forward`, written into the ``grad_`` tensors.

    Args and memory: see there.
    """
    arrangement = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group)
    size = grad_output.shape[2:]
    places, shares = _beginning(offset, size), _beginning(mask, size)
    grads = gradients(grad_output, input, weight, places, (*arrangement, deformable_group), shares)
    grad_input.copy_(grads[0])
    grad_weight.copy_(grads[1])
    _set_beginning(grad_offset, grads[2])
    _set_beginning(grad_mask, grads[3])
    if with_bias:
        grad_bias.copy_(grads[4])
