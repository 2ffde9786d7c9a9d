"""Blur at stride 2 and its transposed, in torch's operators."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def blur_pool(x: Tensor, kernel: Tensor) -> Tensor:
    """Blur (N, C, H, W) with a kernel (1, 1, 3, 3) at stride 2, reflecting at the border."""
    channels = x.shape[1]
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, kernel.expand(channels, 1, 3, 3), stride=2, groups=channels)


def blur_pool_backward(grad: Tensor, x: Tensor, kernel: Tensor) -> Tensor:
    """The gradient of the input ``x`` of ``blur_pool``, of which only the shape matters."""
    channels = x.shape[1]
    padded = F.conv_transpose2d(
        grad,
        kernel.expand(channels, 1, 3, 3),
        stride=2,
        groups=channels,
        # Of a padded row of even length the convolution leaves the last value out.
        output_padding=(1 - x.shape[2] % 2, 1 - x.shape[3] % 2),
    )
    d_x: Tensor = torch.ops.aten.reflection_pad2d_backward(padded, x, [1, 1, 1, 1])
    return d_x
