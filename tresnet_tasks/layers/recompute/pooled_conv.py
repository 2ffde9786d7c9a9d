"""The shortcut of a strided block, an average pool and a 1x1 convolution: one autograd function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from .convolution import conv2d, conv2d_backward
from .second_derivative import refuse_second_derivative


def pooled_conv(x: Tensor, pool: nn.AvgPool2d, conv: nn.Conv2d) -> Tensor:
    """``conv(pool(x))``, keeping ``x`` alone, which the block's first convolution keeps anyway.

    Args:
        x: (N, C, H, W).
        pool: halves H and W, rounding up.
        conv: 1x1.
    """
    out: Tensor = PooledConv.apply(pool, x, conv.weight.to(x.dtype))
    return out


class PooledConv(Function):
    """conv(pool(x))."""

    @staticmethod
    def forward(ctx: Any, pool: nn.AvgPool2d, x: Tensor, weight: Tensor) -> Tensor:
        """Compute it, keeping the arguments."""
        ctx.pool = pool
        ctx.save_for_backward(x, weight)
        return conv2d(pool(x), weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of the tensors."""
        refuse_second_derivative()
        x, weight = ctx.saved_tensors
        pool = ctx.pool
        grad, d_weight = conv2d_backward(grad, pool(x), weight, ctx.needs_input_grad[2])
        size, stride = [pool.kernel_size] * 2, [pool.stride] * 2
        d_x = torch.ops.aten.avg_pool2d_backward(
            grad, x, size, stride, [0, 0], pool.ceil_mode, pool.count_include_pad, None
        )
        return None, d_x, d_weight
