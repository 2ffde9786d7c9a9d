"""The end of a bottleneck, from the output of its 3x3 convolution on: one autograd function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from ..abn import ABN
from ..conv_abn import ConvABN
from .activated import Activated, activated
from .addition import Addition, addition
from .convolution import conv2d, conv2d_backward
from .second_derivative import refuse_second_derivative


def bottleneck_end(
    x: Tensor,
    step: ConvABN,
    se: nn.Module,
    last: ConvABN,
    drop_path: nn.Module,
    shortcut: Tensor,
    shortcut_norm: ABN | None,
) -> Tensor:
    """What follows the 3x3 convolution of a bottleneck; keeps ``x`` and what it returns.

    Args:
        x: (N, C, H, W), the output of the convolution of ``step``.
        step: its ABN and its blur are meant.
        se: squeeze-excite after them, or an identity.
        last: the 1x1 convolution that widens, and its ABN.
        drop_path: stochastic depth after that, or an identity.
        shortcut: (N, 4 C, H', W'), the block's input, or the output of the shortcut's convolution.
        shortcut_norm: the ABN after that; None where the shortcut is the block's input.

    Returns:
        (N, 4 C, H', W').
    """
    before, tensors = activated(x, step, se)
    weight = last.conv.weight.to(x.dtype)
    with torch.no_grad():
        wide = conv2d(before.forward(*tensors).out, weight)
    after, more = addition(wide, last.bn, None, drop_path, shortcut, shortcut_norm)
    out: Tensor = BottleneckEnd.apply(before, after, weight, len(tensors), *tensors, *more)
    return out


class BottleneckEnd(Function):
    """addition(conv(activated(x))); the convolution is computed again in the backward pass too.

    Its output is four times as wide as its input, and it is the cheapest of the three.
    """

    @staticmethod
    def forward(
        ctx: Any, before: Activated, after: Addition, weight: Tensor, split: int, *tensors: Tensor
    ) -> Tensor:
        """Add; the first ``split`` tensors are those before the convolution, then its output."""
        out = after.forward(*tensors[split:])
        ctx.before, ctx.after, ctx.split = before, after, split
        ctx.save_for_backward(out, weight, *tensors[:split], *tensors[split + 1 :])
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of the tensors."""
        refuse_second_derivative()
        out, weight, *tensors = ctx.saved_tensors
        tensors, more = tensors[: ctx.split], tensors[ctx.split :]
        values = ctx.before.forward(*tensors)
        wide = conv2d(values.out, weight)
        d_wide, *d_more = ctx.after.backward(grad, out, wide, *more)
        del wide
        d_values, d_weight = conv2d_backward(d_wide, values.out, weight, ctx.needs_input_grad[2])
        d_tensors = ctx.before.backward(d_values, values, *tensors)
        return (None, None, d_weight, None, *d_tensors, None, *d_more)
