"""The residual blocks of a folded TResNet as few passes over memory, for inference on a CPU."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from ..layers import ConvABN, PackedConv, SqueezeExcite
from ..upstream.onednn import has_fused_convolutions
from .residual_blocks import BasicBlock, Bottleneck

Module = TypeVar("Module", bound=nn.Module)


def pack_for_cpu(module: Module) -> Module:
    """Put packed convolutions into every folded TResNet in a module, in place.

    It computes what it computed, in less time, but can no longer be saved, moved, trained or cast.
    Where torch comes without oneDNN, nothing is changed.

    Args:
        module: any module after ``fold_abn``, float32, on the CPU.

    Returns:
        ``module``.
    """
    if not has_fused_convolutions():
        return module
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BasicBlock | Bottleneck):
                setattr(parent, name, PackedBlock(child))
            elif name == "conv1" and isinstance(child, ConvABN) and hasattr(parent, "s2d"):
                setattr(parent, name, _packed(child))
    return module


class PackedBlock(nn.Module):
    """What a folded block computes; activation and addition are part of the convolutions.

    Args:
        block: whose parameters to use.
    """

    def __init__(self, block: BasicBlock | Bottleneck) -> None:
        super().__init__()
        *before, last = [
            step for step in block.children() if isinstance(step, ConvABN)
        ]  # in the order of their use
        self.before = nn.Sequential(*map(_packed, before))
        self.last = PackedConv(last.conv)
        self.se = block.se if isinstance(block.se, SqueezeExcite) else None
        self.gates_last = isinstance(block, BasicBlock)
        self.shortcut = nn.Sequential(
            *(
                _packed(step) if isinstance(step, ConvABN) else step
                for step in block.downsample or ()
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> what the block gives for it, channels_last."""
        shortcut = self.shortcut(x)
        x = self.before(x)
        if self.se is not None and self.gates_last:
            x = self.last(x)
            return torch.addcmul(shortcut, x, self.se.gate(x)).relu_()
        if self.se is not None:
            x = x.mul_(self.se.gate(x))
        out: Tensor = self.last(x, shortcut)
        return out


def _packed(step: ConvABN) -> nn.Module:
    slope = step.bn.negative_slope if isinstance(step.bn, nn.LeakyReLU) else None
    conv = PackedConv(step.conv, slope)
    return conv if isinstance(step.aa, nn.Identity) else nn.Sequential(conv, step.aa)
