"""ABN, blur and gate, and the convolution that reads them: one autograd function."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.autograd import Function

from ..conv_abn import ConvABN
from .activated import Activated, activated
from .convolution import conv2d, conv2d_backward
from .fused_activated import FusedActivated
from .second_derivative import refuse_second_derivative


def abn_conv(x: Tensor, step: ConvABN, conv: nn.Conv2d) -> Tensor:
    """What follows the convolution of ``step``, and the next convolution; keeps ``x`` alone.

    Args:
        x: (N, C, H, W), the output of the convolution of ``step``.
        step: its ABN and its blur are meant.
        conv: reads them.

    Returns:
        (N, O, H', W'), what ``conv(step.aa(step.bn(x)))`` gives.
    """
    part, tensors = activated(x, step)
    out: Tensor = ABNConv.apply(part, conv.weight.to(x.dtype), *tensors)
    return out


class ABNConv(Function):
    """conv(activated(x)); the input of the convolution is computed again for its gradient."""

    @staticmethod
    def forward(
        ctx: Any, part: Activated | FusedActivated, weight: Tensor, *tensors: Tensor
    ) -> Tensor:
        """Compute it, keeping the arguments."""
        ctx.part = part
        ctx.save_for_backward(weight, *tensors)
        return conv2d(part.forward(*tensors).out, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of the tensors."""
        refuse_second_derivative()
        weight, *tensors = ctx.saved_tensors
        values = ctx.part.forward(*tensors)
        grad, d_weight = conv2d_backward(grad, values.out, weight, ctx.needs_input_grad[1])
        return (None, d_weight, *ctx.part.backward(grad, values, *tensors))
