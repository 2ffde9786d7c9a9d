"""Anti-aliased down-sampling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BlurPool(nn.Module):
    """Halve the resolution after a fixed 3x3 binomial blur (arXiv 1904.11486), reflect padding.

    The filter is [1, 2, 1] x [1, 2, 1] / 16, the same for every channel; it is no part of the state
    dict.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", (torch.outer(taps, taps) / 16)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2)); H and W at least 2."""
        return blur_pool(x, self.kernel.to(x.dtype))


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
