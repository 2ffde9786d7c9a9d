"""The convolution that every block uses: stride 1, same size, no bias unless one is given.

On a CPU, in channels_last, a 1x1 convolution in single precision is computed as a product of
matrices, which takes up to a third less time than torch's convolutions of that size, forward and
above all backward; a 3x3 one of many channels as :mod:`winograd` does it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F

from ..winograd import (
    winograd_conv,
    winograd_filters,
    winograd_input_gradient,
    winograd_pays,
    winograd_weight_gradient,
)
from .second_derivative import refuse_second_derivative


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(N, C, H, W) and (O, C, k, k), k odd -> (N, O, H, W)."""
    if _is_product(x, weight):
        n, _, height, width = x.shape
        out = F.linear(_rows(x), weight.flatten(1), bias)
        return _images(out, n, height, width)
    if bias is None and winograd_pays(x, weight):
        return winograd_conv(x, winograd_filters(weight))
    return F.conv2d(x, weight, bias, padding=weight.shape[2] // 2)


def conv2d_backward(
    grad: Tensor, x: Tensor, weight: Tensor, need_weight: bool
) -> tuple[Tensor, Tensor | None]:
    """Gradients of the input and, where needed, of the weight."""
    if _is_product(x, weight):
        return _product_backward(grad, x, weight, need_weight)
    if winograd_pays(x, weight):
        grad = grad.contiguous(memory_format=torch.channels_last)
        d_weight = winograd_weight_gradient(grad, x) if need_weight else None
        return winograd_input_gradient(grad, weight), d_weight
    padding = weight.shape[2] // 2
    d_x, d_weight, _ = torch.ops.aten.convolution_backward(
        grad,
        x,
        weight,
        None,
        [1, 1],
        [padding, padding],
        [1, 1],
        False,
        [0, 0],
        1,
        [True, need_weight, False],
    )
    return d_x, d_weight if need_weight else None


def pointwise_conv(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """What a 1x1 convolution without bias gives."""
    out: Tensor = PointwiseConv.apply(x, conv.weight) if _is_product(x, conv.weight) else conv(x)
    return out


class PointwiseConv(Function):
    """``conv2d``, as a product of matrices backward too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """Compute it, keeping the arguments."""
        ctx.save_for_backward(x, weight)
        return conv2d(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        """Compute the gradients of both."""
        refuse_second_derivative()
        x, weight = ctx.saved_tensors
        return conv2d_backward(grad, x, weight, ctx.needs_input_grad[1])


def _product_backward(
    grad: Tensor, x: Tensor, weight: Tensor, need_weight: bool
) -> tuple[Tensor, Tensor | None]:
    n, _, height, width = x.shape
    rows = _rows(grad)
    d_x = _images(rows @ weight.flatten(1), n, height, width)
    return d_x, (rows.t() @ _rows(x)).view_as(weight) if need_weight else None


def second_moments(x: Tensor) -> Tensor:
    """(C, C), the sum of x x^T over all positions of (N, C, H, W)."""
    rows = _rows(x)
    return rows.t() @ rows


def _is_product(x: Tensor, weight: Tensor) -> bool:
    single = x.dtype in (torch.float32, torch.float64) and x.dtype == weight.dtype
    single = single and not torch.is_autocast_enabled(x.device.type)
    last = x.is_contiguous(memory_format=torch.channels_last)
    return weight.shape[2] == 1 and x.is_cpu and single and last and x.numel() > 0


def _rows(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N H W, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _images(rows: Tensor, n: int, height: int, width: int) -> Tensor:
    """(N H W, C) -> (N, C, H, W) in channels_last."""
    return rows.view(n, height, width, -1).permute(0, 3, 1, 2)
