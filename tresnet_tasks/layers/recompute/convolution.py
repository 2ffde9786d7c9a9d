"""The convolution that every block uses: stride 1, same size, no bias."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def conv2d(x: Tensor, weight: Tensor) -> Tensor:
    """(N, C, H, W) and (O, C, k, k), k odd -> (N, O, H, W)."""
    return F.conv2d(x, weight, padding=weight.shape[2] // 2)


def conv2d_backward(
    grad: Tensor, x: Tensor, weight: Tensor, need_weight: bool
) -> tuple[Tensor, Tensor | None]:
    """Gradients of the input and, where needed, of the weight."""
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
