"""A folded convolution, ready for the CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..upstream.onednn import fused_convolution, packed_weight


class PackedConv(nn.Module):
    """A convolution of stride 1 with what follows it, in one pass; for inference on a CPU.

    The weight is put into oneDNN's own order at the first call; otherwise every call would do that.

    Args:
        conv: with a bias; its parameters are taken as they are, float32.
        slope: of the leaky ReLU behind it; None for none.
    """

    def __init__(self, conv: nn.Conv2d, slope: float | None = None) -> None:
        super().__init__()
        if conv.bias is None:
            raise ValueError("PackedConv got a convolution without a bias; call fold_abn first.")
        self.bias = conv.bias.detach()
        self.padding = int(conv.padding[0])
        self.slope = slope
        self._weight = conv.weight.detach()
        self._is_packed = False

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """Compute it.

        Args:
            x: (N, C, H, W) float32.
            shortcut: (N, O, H', W'), to be added; a ReLU follows in place of the activation.

        Returns:
            (N, O, H', W'), channels_last; without gradients.
        """
        x = x.detach().contiguous(memory_format=torch.channels_last)
        if not self._is_packed:
            self._weight = packed_weight(self._weight, self.padding, x.shape)
            self._is_packed = True
        return fused_convolution(x, self._weight, self.bias, self.padding, self.slope, shortcut)
