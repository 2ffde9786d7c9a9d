"""``deform_conv``: torchvision's kernels, which lay out offsets as mmcv does."""

from __future__ import annotations

from torch import Tensor

from .deform_kernel import gradients, kernel
from .precision import operator, widened


@operator
def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    *,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Deformable convolution (Dai et al. 2017), written into ``output``.

    Args:
        input: (N, C, H, W).
        weight: (O, C / group, kH, kW).
        offset: (N, 2 * deformable_group * kH * kW, H', W'), y before x, in cells.
        output: (N, O, H', W').
        columns: not used.
        ones: not used.
        kW: as in ``weight``, like ``kH``.
        kH: see ``kW``.
        dW: stride.
        dH: stride.
        padW: zeros at the border.
        padH: zeros at the border.
        dilationW: distance of the kernel's cells.
        dilationH: distance of the kernel's cells.
        group: blocks of channels that are convolved apart.
        deformable_group: blocks of channels that have their own offsets.
        im2col_step: not used.

    Memory: torchvision's kernel holds C x kH x kW x H' x W' numbers for up to 32 images at a time,
    as mmcv's does; half types are computed in float32. On CUDA its backward is not deterministic,
    which torch says when ``torch.use_deterministic_algorithms`` is on.
    """
    arrangement = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
    features = widened(input)
    output.copy_(
        kernel.deform_conv2d(
            features,
            weight.to(features),
            offset.to(features),
            features.new_zeros(len(input), 0),
            features.new_zeros(len(weight)),
            *arrangement,
            False,
        )
    )


@operator
def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    *,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Derivatives of `deform_conv_forward`, written into ``gradInput`` and ``gradOffset``.

    Args and memory: see there. torchvision's kernel yields the derivative in the weight too; it is
    left in ``columns`` for `deform_conv_backward_parameters`, which mmcv calls next.
    """
    arrangement = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
    grads = gradients(gradOutput, input, weight, offset, arrangement)
    gradInput.copy_(grads[0])
    gradOffset.copy_(grads[2])
    columns.resize_(grads[1].shape).copy_(grads[1])


@operator
def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    *,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Derivative of `deform_conv_forward` in the weight, times ``scale``, added to ``gradWeight``.

    Args and memory: see there, and `deform_conv_backward_input` for ``columns``.
    """
    if columns.shape == gradWeight.shape:
        grad = columns
    else:
        arrangement = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
        # The derivative in the weight does not depend on the weight.
        grad = gradients(gradOutput, input, gradWeight, offset, arrangement)[1]
    gradWeight.add_(grad, alpha=scale)
    columns.resize_(0)
