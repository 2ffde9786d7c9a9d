"""Anti-aliased down-sampling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..kernels import blur_pool


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
