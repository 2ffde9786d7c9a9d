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
from .fused_activated import FusedActivated
from .fused_addition import FusedAddition
from .pointwise_norm import PointwiseNorm, follows_from_input, pointwise_norm
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
        narrow = before.forward(*tensors).out
    # With few positions the products of matrices that replace the output cost more than it, and
    # there is little of it to keep.
    small = 2 * (narrow.numel() // narrow.shape[1]) < weight.shape[0]
    out: Tensor
    if not small and follows_from_input(narrow, last.bn):
        norm = pointwise_norm(narrow, weight, last.bn)
        after, more = addition(shortcut, None, None, drop_path, shortcut, shortcut_norm)
        out = NarrowEnd.apply(before, after, narrow, len(tensors), *norm, *tensors, *more[1:])
        return out
    with torch.no_grad():
        wide = conv2d(narrow, weight)
    after, more = addition(wide, last.bn, None, drop_path, shortcut, shortcut_norm)
    out = BottleneckEnd.apply(before, after, weight, len(tensors), small, *tensors, *more)
    return out


class NarrowEnd(Function):
    """addition(norm(conv(activated(x)))), whose backward pass needs no output of the convolution."""

    @staticmethod
    def forward(
        ctx: Any,
        before: Activated | FusedActivated,
        after: Addition | FusedAddition,
        narrow: Tensor,
        split: int,
        *tensors: Tensor,
    ) -> Tensor:
        """Compute it; the tensors are those of norm, ``split`` of before, the rest of after."""
        norm, rest = PointwiseNorm(*tensors[:6]), tensors[6 + split :]
        out = after.forward(norm.forward(narrow), *rest)
        ctx.before, ctx.after, ctx.split = before, after, 6 + split
        ctx.save_for_backward(out, *tensors)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of the tensors."""
        refuse_second_derivative()
        out, *tensors = ctx.saved_tensors
        norm = PointwiseNorm(*tensors[:6])
        tensors, more = tensors[6 : ctx.split], tensors[ctx.split :]
        d_wide, *d_more = ctx.after.backward(grad, out, None, *more)
        values = ctx.before.forward(*tensors)
        d_values, *d_norm = norm.backward(d_wide, values.out - norm.mean)
        d_tensors = ctx.before.backward(d_values, values, *tensors)
        return (*(None,) * 4, *d_norm, *(None,) * 3, *d_tensors, *d_more)


class BottleneckEnd(Function):
    """addition(conv(activated(x))); the convolution is computed again in the backward pass too."""

    @staticmethod
    def forward(
        ctx: Any,
        before: Activated | FusedActivated,
        after: Addition | FusedAddition,
        weight: Tensor,
        split: int,
        keep: bool,
        *tensors: Tensor,
    ) -> Tensor:
        """Add; the first ``split`` tensors are those before the convolution, then its output."""
        out = after.forward(*tensors[split:])
        ctx.before, ctx.after, ctx.split = before, after, split
        wide = tensors[split] if keep else None
        ctx.save_for_backward(out, weight, wide, *tensors[:split], *tensors[split + 1 :])
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of the tensors."""
        refuse_second_derivative()
        out, weight, wide, *tensors = ctx.saved_tensors
        tensors, more = tensors[: ctx.split], tensors[ctx.split :]
        values = ctx.before.forward(*tensors)
        wide = conv2d(values.out, weight) if wide is None else wide
        d_wide, *d_more = ctx.after.backward(grad, out, wide, *more)
        del wide
        d_values, d_weight = conv2d_backward(d_wide, values.out, weight, ctx.needs_input_grad[2])
        d_tensors = ctx.before.backward(d_values, values, *tensors)
        return (None, None, d_weight, None, None, *d_tensors, None, *d_more)
