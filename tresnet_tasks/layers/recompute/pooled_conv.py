"""The shortcut of a strided block, an average pool and a 1x1 convolution: one autograd function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F

from ..halving import halve, halve_backward, halves_by_matrices
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
        return conv2d(average_pool(x, pool), weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of the tensors."""
        refuse_second_derivative()
        x, weight = ctx.saved_tensors
        pool = ctx.pool
        grad, d_weight = conv2d_backward(
            grad, average_pool(x, pool), weight, ctx.needs_input_grad[2]
        )
        return None, average_pool_backward(grad, x, pool), d_weight


def average_pool(x: Tensor, pool: nn.AvgPool2d) -> Tensor:
    """``pool(x)``."""
    return halve(x, averaged_rows) if halves_by_matrices(x) else pool(x)


def average_pool_backward(grad: Tensor, x: Tensor, pool: nn.AvgPool2d) -> Tensor:
    """The gradient of ``x``."""
    if halves_by_matrices(grad) and halves_by_matrices(x):
        return halve_backward(grad, x.shape, averaged_rows)
    size, stride = [pool.kernel_size] * 2, [pool.stride] * 2
    d_x: Tensor = torch.ops.aten.avg_pool2d_backward(
        grad, x, size, stride, [0, 0], pool.ceil_mode, pool.count_include_pad, None
    )
    return d_x


def averaged_rows(x: Tensor) -> Tensor:
    """Means of the pairs in rows (R, n); a last value without partner stays."""
    return F.avg_pool1d(x[None], 2, 2, 0, True, False)[0]
