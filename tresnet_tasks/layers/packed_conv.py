"""A folded convolution, ready for the CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..upstream.onednn import fused_convolution, packed_weight
from .winograd import has_winograd, winograd_conv, winograd_filters, winograd_pays


class PackedConv(nn.Module):
    """A convolution of stride 1 with what follows it, in one pass; for inference on a CPU.

    The weight is put into oneDNN's own order at the first call; otherwise every call would do that.
    Where there are many channels and positions, it is computed as :mod:`winograd` does it, in half
    to four fifths of the time; then the transformed weights, of four times the room, are kept too.

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
        weight = conv.weight.detach()
        # What only the one way or the other needs is put in its order when it is first taken.
        self._plain = weight if self.padding == 1 and has_winograd(weight) else None
        self._weight = weight
        self._is_packed = False
        self._filters: Tensor | None = None

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """Compute it.

        Args:
            x: (N, C, H, W) float32.
            shortcut: (N, O, H', W'), to be added; a ReLU follows in place of the activation.

        Returns:
            (N, O, H', W'), channels_last; without gradients.
        """
        x = x.detach().contiguous(memory_format=torch.channels_last)
        if shortcut is not None:
            shortcut = shortcut.detach()
        if self._plain is not None and winograd_pays(x, self._plain):
            return self._winograd(x, self._plain, shortcut)
        if not self._is_packed:
            self._weight = packed_weight(self._weight, self.padding, x.shape)
            self._is_packed = True
        return fused_convolution(x, self._weight, self.bias, self.padding, self.slope, shortcut)

    def _winograd(self, x: Tensor, weight: Tensor, shortcut: Tensor | None) -> Tensor:
        if self._filters is None:
            self._filters = winograd_filters(weight).contiguous()
        out = winograd_conv(x, self._filters).add_(self.bias[:, None, None])
        if shortcut is not None:
            return out.add_(shortcut).relu_()
        return out if self.slope is None else F.leaky_relu_(out, self.slope)
