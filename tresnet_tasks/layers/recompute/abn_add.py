"""The end of a basic block: one autograd function."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.autograd import Function

from ..abn import ABN
from .addition import Addition, addition
from .fused_addition import FusedAddition
from .second_derivative import refuse_second_derivative


def abn_add(
    x: Tensor,
    norm: ABN,
    se: nn.Module,
    drop_path: nn.Module,
    shortcut: Tensor,
    shortcut_norm: ABN | None,
) -> Tensor:
    """What follows the last convolution of a basic block; keeps ``x`` and what it returns.

    Args:
        x: (N, C, H, W), the output of the last convolution.
        norm: the ABN after it.
        se: squeeze-excite after that, or an identity.
        drop_path: stochastic depth after that, or an identity.
        shortcut: (N, C, H, W), the block's input, or the output of the shortcut's convolution.
        shortcut_norm: the ABN after that; None where the shortcut is the block's input.

    Returns:
        (N, C, H, W), relu(drop_path(se(norm(x))) + shortcut_norm(shortcut)).
    """
    part, tensors = addition(x, norm, se, drop_path, shortcut, shortcut_norm)
    out: Tensor = ABNAdd.apply(part, *tensors)
    return out


class ABNAdd(Function):
    """An addition; its output is kept, which the next block keeps anyway."""

    @staticmethod
    def forward(ctx: Any, part: Addition | FusedAddition, *tensors: Tensor) -> Tensor:
        """Compute it, keeping the arguments."""
        ctx.part = part
        out = part.forward(*tensors)
        ctx.save_for_backward(out, *tensors)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of the tensors."""
        refuse_second_derivative()
        return (None, *ctx.part.backward(grad, *ctx.saved_tensors))
