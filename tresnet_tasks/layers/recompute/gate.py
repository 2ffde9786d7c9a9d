"""The gate of squeeze-excite, with its backward pass written out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..squeeze_excite import SqueezeExcite


class GateTensors(NamedTuple):
    """The two linear layers: (R, C), (R,), (C, R), (C,)."""

    weight1: Tensor
    bias1: Tensor
    weight2: Tensor
    bias2: Tensor


class GateValues(NamedTuple):
    """What the backward pass of a gate needs: means (N, C), hidden (N, R), gate (N, C)."""

    mean: Tensor
    hidden: Tensor
    gate: Tensor


def gate_tensors(se: nn.Module | None, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """The four of :class:`GateTensors` in ``dtype``, the activations'; none without squeeze-excite."""
    if not isinstance(se, SqueezeExcite):
        return ()
    # In the order of GateTensors; the convolutions are 1x1, so their weights are matrices.
    return tuple((p.flatten(1) if p.dim() > 1 else p).to(dtype) for p in se.parameters())


def gate_forward(x: Tensor, se: GateTensors) -> GateValues:
    """The gate of (N, C, H, W), from its channel means."""
    return gate_of_mean(x.mean((2, 3)), se)


def gate_of_mean(mean: Tensor, se: GateTensors) -> GateValues:
    """The gate of channel means (N, C)."""
    hidden = F.linear(mean, se.weight1, se.bias1).relu_()
    return GateValues(mean, hidden, F.linear(hidden, se.weight2, se.bias2).sigmoid_())


def gate_backward(
    grad: Tensor, values: GateValues, se: GateTensors
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Gradients of the channel means (N, C), and of the four parameters.

    Args:
        grad: (N, C), the gradient of the gate.
        values: as ``gate_forward`` gave them.
        se: the parameters.
    """
    mean, hidden, gate = values
    d_logits = torch.ops.aten.sigmoid_backward(grad, gate)
    d_hidden = torch.ops.aten.threshold_backward(d_logits @ se.weight2, hidden, 0)
    return d_hidden @ se.weight1, (
        d_hidden.t() @ mean,
        d_hidden.sum(0),
        d_logits.t() @ hidden,
        d_logits.sum(0),
    )
