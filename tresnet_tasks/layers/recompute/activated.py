"""What lies between two convolutions of a block: ABN, then maybe a blur, then maybe a gate."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from ...kernels import blur_pool, blur_pool_backward, has_kernels
from ..blur_pool import BlurPool
from ..conv_abn import ConvABN
from .arguments import ActivatedTensors
from .fused_activated import FusedActivated
from .gate import GateValues, gate_backward, gate_forward, gate_tensors
from .normalisation import Normalisation, normalisation


class ActivatedValues(NamedTuple):
    """The result of every step; ``out`` is what the next convolution reads."""

    normed: Tensor
    blurred: Tensor
    gate: GateValues | None
    out: Tensor


class Activated(NamedTuple):
    """gate(blur(ABN(x))), the last two where there are such.

    Its tensors, flat: x, five of the normalisation, the blur's kernel or None, and the gate's four.

    Attributes:
        norm: the ABN.
    """

    norm: Normalisation

    def forward(self, *tensors: Any) -> ActivatedValues:
        """Compute every step."""
        x, norm, kernel, se = ActivatedTensors.named(tensors)
        normed = self.norm.forward(x, norm)
        blurred = normed if kernel is None else blur_pool(normed, kernel)
        if se is None:
            return ActivatedValues(normed, blurred, None, blurred)
        values = gate_forward(blurred, se)
        return ActivatedValues(normed, blurred, values, blurred * values.gate[..., None, None])

    def backward(
        self, grad: Tensor, values: ActivatedValues, *tensors: Any
    ) -> tuple[Tensor | None, ...]:
        """Gradients of the tensors; ``grad``, that of ``values.out``, is used up."""
        x, norm, kernel, se = ActivatedTensors.named(tensors)
        d_se: tuple[Tensor, ...] = ()
        if se is not None and values.gate is not None:
            d_gate = (grad * values.blurred).sum((2, 3))
            d_mean, d_se = gate_backward(d_gate, values.gate, se)
            d_mean = d_mean / (grad.shape[2] * grad.shape[3])
            grad = grad.mul_(values.gate.gate[..., None, None]).add_(d_mean[..., None, None])
        if kernel is not None:
            grad = blur_pool_backward(grad, values.normed, kernel)
        return (*self.norm.backward(grad, x, values.normed, norm), None, None, None, None, *d_se)


def activated(
    x: Tensor, step: ConvABN, se: nn.Module | None = None
) -> tuple[Activated | FusedActivated, tuple[Tensor | None, ...]]:
    """Describe what follows the convolution of ``step``; give the tensors of that.

    Args:
        x: (N, C, H, W), the output of the convolution.
        step: its ABN and its blur are meant.
        se: squeeze-excite after them, if it is one.
    """
    norm, norm_tensors = normalisation(step.bn, x)
    kernel = step.aa.kernel.to(x.dtype) if isinstance(step.aa, BlurPool) else None
    gate = gate_tensors(se, x.dtype)
    # A row of one cannot be reflected, which torch's operator says.
    fused = (kernel is None or min(x.shape[2:]) > 1) and has_kernels(x)
    described = FusedActivated(norm) if fused else Activated(norm)
    return described, (x, *norm_tensors, kernel, *gate)
