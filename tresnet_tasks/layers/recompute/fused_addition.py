"""``addition.py`` through the kernels: nothing is written but the result, or the two gradients.

With g the gradient under the rectifier and y = norm(x), a sum of a gradient times y over an image is
one of g and one of g * (x - mean): those that ``addition_sums`` gives. The gate's input is the mean
of y, which follows from that of x - mean.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from ...kernels import (
    InputGradient,
    addition_forward,
    addition_gradients,
    addition_sums,
    has_kernels,
)
from .arguments import AdditionTensors
from .gate import GateTensors, GateValues, gate_backward, gate_of_mean
from .normalisation import Normalisation, NormTensors


class FusedAddition(NamedTuple):
    """``Addition`` of a branch with a norm, with the same tensors.

    Attributes:
        norm: normalises the branch.
        shortcut_norm: normalises the shortcut.
    """

    norm: Normalisation
    shortcut_norm: Normalisation | None

    def forward(self, *tensors: Any) -> Tensor:
        """Read x and shortcut and write the result; with a gate, read x once before."""
        named = AdditionTensors.named(tensors)
        x, norm = named.x, named.norm
        gate = None
        if named.se is not None:
            mean = x.mean((2, 3), dtype=norm.mean.dtype) - norm.mean
            gate = _gate(mean, norm, named.se, x).gate
        factor = _factor(named, gate)
        shortcut_norm = None if self.shortcut_norm is None else named.shortcut_norm[:4]
        return addition_forward(x, norm[:4], named.shortcut, shortcut_norm, factor)

    def backward(self, grad: Tensor, out: Tensor, *tensors: Any) -> tuple[Tensor | None, ...]:
        """Read grad, out, x and a shortcut with a norm for sums, and again for the gradients."""
        named = AdditionTensors.named(tensors)
        x, norm, shortcut, other = named[:4]
        mean2 = None if self.shortcut_norm is None else other.mean
        of_grad, of_product, centred, of_product2 = addition_sums(
            grad, out, x, norm.mean, shortcut, mean2
        )
        # Before the branch's sums, as the plain path does: processes exchange theirs in this order.
        of_shortcut, d_shortcut_norm = self._of_shortcut(of_grad, of_product2, shortcut, other)

        area = x.shape[2] * x.shape[3]
        scale = norm.weight * norm.inv_std
        d_se: tuple[Tensor, ...] = ()
        factor, added = _factor(named, None), None
        if named.se is not None:
            gate = _gate(centred / area, norm, named.se, x)
            d_gate = of_product * scale + of_grad * norm.bias
            d_gate = d_gate if factor is None else d_gate * factor
            d_mean, d_se = gate_backward(d_gate.to(x.dtype), gate, named.se)
            factor, added = _factor(named, gate.gate), d_mean.to(scale.dtype) / area
        # The gradient of norm(x) is g * factor + added.
        if factor is not None:
            of_grad, of_product = of_grad * factor, of_product * factor
        if added is not None:
            of_grad, of_product = of_grad + added * area, of_product + added * centred
        d_weight, d_bias = of_product.sum(0) * norm.inv_std, of_grad.sum(0)
        of_g = scale.expand_as(of_grad) if factor is None else scale * factor
        constant = of_g.new_zeros(of_g.shape) if added is None else scale * added
        of_x, of_batch = self.norm.terms(d_weight, d_bias, x, norm) or (None, None)
        if of_batch is not None:
            constant = constant + of_batch
        of_branch = InputGradient(of_g, of_x, constant, norm.mean)
        d_x, d_shortcut = addition_gradients(grad, out, x, shortcut, of_branch, of_shortcut)
        nothing = (None, None, None)
        d_norm = (d_x, d_weight, d_bias, *nothing)
        return (*d_norm, d_shortcut, *d_shortcut_norm, *nothing, None, *d_se)

    def _of_shortcut(
        self, of_grad: Tensor, of_product: Tensor, shortcut: Tensor, norm: NormTensors
    ) -> tuple[InputGradient | None, tuple[Tensor | None, Tensor | None]]:
        """How its gradient follows, and the gradients of the weight and the bias of its norm."""
        if self.shortcut_norm is None:
            return None, (None, None)
        d_weight, d_bias = of_product.sum(0) * norm.inv_std, of_grad.sum(0)
        of_batch = self.shortcut_norm.terms(d_weight, d_bias, shortcut, norm)
        of_x, constant = of_batch or (None, d_bias.new_zeros(d_bias.shape))
        of_shortcut = InputGradient(norm.weight * norm.inv_std, of_x, constant, norm.mean)
        return of_shortcut, (d_weight, d_bias)


def has_fused_addition(
    x: Tensor, norm: Normalisation, shortcut: Tensor, shortcut_norm: Normalisation | None
) -> bool:
    """Whether there are kernels for it: the norms have no activation, the tensors one type."""
    slopes = (norm.slope, None if shortcut_norm is None else shortcut_norm.slope)
    alike = x.dtype == shortcut.dtype and x.shape == shortcut.shape
    return slopes == (None, None) and alike and has_kernels(x)


def _gate(centred: Tensor, norm: NormTensors, se: GateTensors, x: Tensor) -> GateValues:
    """The gate of norm(x), from the means (N, C) of x - mean."""
    mean = centred * (norm.weight * norm.inv_std) + norm.bias
    return gate_of_mean(mean.to(x.dtype), se)


def _factor(named: AdditionTensors, gate: Tensor | None) -> Tensor | None:
    """(N, C), what norm(x) is multiplied by; None for ones."""
    dtype = named.norm.mean.dtype
    factor = None if gate is None else gate.to(dtype)
    if named.scale is None:
        return factor
    scale = named.scale.flatten(1).to(dtype)
    return scale.expand(-1, named.x.shape[1]) if factor is None else factor * scale
