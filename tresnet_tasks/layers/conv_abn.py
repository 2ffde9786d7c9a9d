"""The step that a TResNet repeats: convolution, ABN, and a blur where it strides."""

from __future__ import annotations

from torch import Tensor, nn

from .abn import ABN
from .blur_pool import BlurPool


class ConvABN(nn.Module):
    """Convolution without bias, ABN, and at stride 2 an anti-aliased down-sampling after it.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: 1 or 3; the padding keeps the size.
        stride: 1, or 2 by ``BlurPool``: the convolution itself always runs at stride 1.
        slope: negative slope of the activation; None for none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        slope: float | None = None,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False
        )
        self.bn = ABN(out_channels, slope)
        self.aa = BlurPool() if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.aa(self.bn(self.conv(x)))
        return out
