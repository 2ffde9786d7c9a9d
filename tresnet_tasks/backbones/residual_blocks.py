"""The two residual blocks of TResNet. Parameter names follow timm's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from ..layers import ABN, ConvABN, SqueezeExcite
from ..layers.recompute import (
    abn_add,
    abn_conv,
    bottleneck_end,
    has_altered_layers,
    pointwise_conv,
    pooled_conv,
)


class _Block(nn.Module):
    """What both blocks share: out = relu(residual(x) + shortcut(x)).

    Args:
        in_channels: channels of the input.
        planes: width of the block; its output has ``planes * expansion`` channels.
        stride: 1 or 2.
        use_se: whether to put squeeze-excite after conv2.
        slope: negative slope of the activations inside.
        drop_path_rate: probability in [0, 1) of leaving the residual branch out, per image.
        recompute: whether training keeps little for the backward pass, see ``recomputed``.
    """

    expansion: int
    se: nn.Module

    def __init__(
        self, in_channels: int, planes: int, stride: int, drop_path_rate: float, recompute: bool
    ) -> None:
        super().__init__()
        self.recompute = recompute
        out_channels = planes * self.expansion
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            shortcut: list[nn.Module] = [ConvABN(in_channels, out_channels, 1)]
            if stride == 2:
                shortcut.insert(0, nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False))
            self.downsample = nn.Sequential(*shortcut)
        self.drop_path = StochasticDepth(drop_path_rate, "row") if drop_path_rate else nn.Identity()
        self.act = nn.ReLU(inplace=True)

    def residual(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def recomputed(self, x: Tensor, shortcut: Tensor, shortcut_norm: ABN | None) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        # A compiler chooses by itself what to keep; of these functions it would keep more.
        differentiated = self.training and torch.is_grad_enabled()
        if self.recompute and differentiated and _is_eager(x) and not has_altered_layers(self):
            return self.recomputed(x, *self._shortcut_before_norm(x))
        shortcut = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.act(self.drop_path(self.residual(x)) + shortcut)
        return out

    def _shortcut_before_norm(self, x: Tensor) -> tuple[Tensor, ABN | None]:
        if self.downsample is None:
            return x, None
        layers: list[Any] = list(self.downsample)
        *pool, step = layers
        return pooled_conv(x, pool[0], step.conv) if pool else step.conv(x), step.bn


class BasicBlock(_Block):
    """Two 3x3 convolutions."""

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int = 1,
        use_se: bool = True,
        slope: float = 1e-3,
        drop_path_rate: float = 0.0,
        recompute: bool = False,
    ) -> None:
        super().__init__(in_channels, planes, stride, drop_path_rate, recompute)
        self.conv1 = ConvABN(in_channels, planes, 3, stride, slope)
        self.conv2 = ConvABN(planes, planes, 3)
        self.se = SqueezeExcite(planes, max(planes // 4, 64)) if use_se else nn.Identity()

    def residual(self, x: Tensor) -> Tensor:
        """The branch beside the shortcut."""
        out: Tensor = self.se(self.conv2(self.conv1(x)))
        return out

    def recomputed(self, x: Tensor, shortcut: Tensor, shortcut_norm: ABN | None) -> Tensor:
        """The block's output; the outputs of the convolutions are all that it keeps."""
        x = abn_conv(self.conv1.conv(x), self.conv1, self.conv2.conv)
        return abn_add(x, self.conv2.bn, self.se, self.drop_path, shortcut, shortcut_norm)

    @property
    def last_norm(self) -> ABN:
        """The normalisation right before the addition."""
        return self.conv2.bn


class Bottleneck(_Block):
    """1x1, 3x3 and 1x1 convolutions; squeeze-excite on the narrow part."""

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int = 1,
        use_se: bool = True,
        slope: float = 1e-3,
        drop_path_rate: float = 0.0,
        recompute: bool = False,
    ) -> None:
        super().__init__(in_channels, planes, stride, drop_path_rate, recompute)
        self.conv1 = ConvABN(in_channels, planes, 1, slope=slope)
        self.conv2 = ConvABN(planes, planes, 3, stride, slope)
        self.se = (
            SqueezeExcite(planes, max(planes * self.expansion // 8, 64))
            if use_se
            else nn.Identity()
        )
        self.conv3 = ConvABN(planes, planes * self.expansion, 1)

    def residual(self, x: Tensor) -> Tensor:
        """The branch beside the shortcut."""
        out: Tensor = self.conv3(self.se(self.conv2(self.conv1(x))))
        return out

    def recomputed(self, x: Tensor, shortcut: Tensor, shortcut_norm: ABN | None) -> Tensor:
        """The block's output; the outputs of the first two convolutions are all that it keeps."""
        x = abn_conv(pointwise_conv(x, self.conv1.conv), self.conv1, self.conv2.conv)
        return bottleneck_end(
            x, self.conv2, self.se, self.conv3, self.drop_path, shortcut, shortcut_norm
        )

    @property
    def last_norm(self) -> ABN:
        """The normalisation right before the addition."""
        return self.conv3.bn


def _is_eager(x: Tensor) -> bool:
    return not (torch.compiler.is_compiling() or x.is_meta)


BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {
    "basic": BasicBlock,
    "bottleneck": Bottleneck,
}
