"""``activated.py`` through the kernels: nothing between the convolutions is written but the result."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from ...kernels import Norm, activated_forward, activated_gradient, activated_sums
from .arguments import ActivatedTensors
from .gate import GateValues, gate_backward, gate_of_mean
from .normalisation import Normalisation


class FusedValues(NamedTuple):
    """The result, and what the gate leaves for the backward pass.

    Attributes:
        out: what the next convolution reads.
        gate: its values.
        ones: ``activated_sums`` with ones as the gradient.
    """

    out: Tensor
    gate: GateValues | None
    ones: tuple[Tensor, Tensor] | None


class FusedActivated(NamedTuple):
    """``Activated``, with the same tensors; ``kernels/activated.py`` has the formulas.

    Attributes:
        norm: the ABN.
    """

    norm: Normalisation

    def forward(self, *tensors: Any) -> FusedValues:
        """Read x and write the result; with a gate, read x once before."""
        x, norm, kernel, se = ActivatedTensors.named(tensors)
        run = x, norm[:4], self.norm.slope, kernel
        if se is None:
            return FusedValues(activated_forward(*run), None, None)
        ones = activated_sums(None, *run, per_image=True)
        mean = _of_blurred(*ones, norm[:4]) / _positions(x, kernel)
        gate = gate_of_mean(mean.to(x.dtype), se)
        return FusedValues(activated_forward(*run, gate.gate), gate, ones)

    def backward(
        self, grad: Tensor, values: FusedValues, *tensors: Any
    ) -> tuple[Tensor | None, ...]:
        """Read grad and x for sums, and both again for the gradient of x, which is written."""
        x, norm, kernel, se = ActivatedTensors.named(tensors)
        run = grad, x, norm[:4], self.norm.slope, kernel
        of_grad, of_product = activated_sums(*run, per_image=se is not None)
        d_se: tuple[Tensor, ...] = ()
        affine: tuple[Tensor, Tensor] | None = None
        if se is not None and values.gate is not None and values.ones is not None:
            d_gate = _of_blurred(of_grad, of_product, norm[:4])
            d_mean, d_se = gate_backward(d_gate.to(x.dtype), values.gate, se)
            gate, added = values.gate.gate.to(of_grad.dtype), d_mean.to(of_grad.dtype)
            added = added / _positions(x, kernel)
            # The sums of grad * gate + added, which is the gradient of what the blur gives.
            of_grad = of_grad * gate + values.ones[0] * added
            of_product = of_product * gate + values.ones[1] * added
            affine = gate, added
        d_weight, d_bias = of_product.sum(0) * norm.inv_std, of_grad.sum(0)
        terms = self.norm.terms(d_weight, d_bias, x, norm)
        d_x = activated_gradient(*run, affine, terms)
        return (d_x, d_weight, d_bias, None, None, None, None, *d_se)


def _of_blurred(of_grad: Tensor, of_product: Tensor, norm: Norm) -> Tensor:
    """(N, C), the sum over an image of grad * blurred, from two sums of the same size."""
    weight, bias, _, inv_std = norm
    return of_product * (weight * inv_std) + of_grad * bias


def _positions(x: Tensor, kernel: Tensor | None) -> int:
    height, width = x.shape[2:]
    return height * width if kernel is None else -(-height // 2) * -(-width // 2)
