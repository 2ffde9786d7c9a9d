"""The end of a residual block: its branch and its shortcut, added and rectified."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..abn import ABN
from .arguments import AdditionTensors
from .fused_addition import FusedAddition, has_fused_addition
from .gate import gate_backward, gate_forward, gate_tensors
from .normalisation import Normalisation, normalisation


class Addition(NamedTuple):
    """relu(scale * gate(norm(x)) + shortcut_norm(shortcut)), each where there is such.

    Its tensors, flat: x, five of the normalisation, the shortcut, five of its normalisation or
    None, the scale (N, 1, 1, 1) or None, and the gate's four.

    Attributes:
        norm: normalises the branch; None where it comes normalised.
        shortcut_norm: normalises the shortcut.
    """

    norm: Normalisation | None
    shortcut_norm: Normalisation | None

    def forward(self, *tensors: Any) -> Tensor:
        """(N, C, H, W); a branch that comes normalised is used up."""
        named = AdditionTensors.named(tensors)
        branch = named.x if self.norm is None else self.norm.forward(named.x, named.norm)
        shortcut = named.shortcut
        if self.shortcut_norm is not None:
            shortcut = self.shortcut_norm.forward(shortcut, named.shortcut_norm)
        factor = named.scale
        if named.se is not None:
            gate = gate_forward(branch, named.se).gate[..., None, None]
            factor = gate if factor is None else gate * factor
        out = branch.add_(shortcut) if factor is None else torch.addcmul(shortcut, branch, factor)
        return out.relu_()

    def backward(self, grad: Tensor, out: Tensor, *tensors: Any) -> tuple[Tensor | None, ...]:
        """Gradients of the tensors, from that of the output ``out``."""
        named = AdditionTensors.named(tensors)
        grad = torch.ops.aten.threshold_backward(grad, out, 0)
        of_shortcut: tuple[Tensor | None, ...] = (grad, None, None)
        if self.shortcut_norm is not None:
            of_shortcut = self.shortcut_norm.backward(
                grad, named.shortcut, None, named.shortcut_norm
            )
        nothing = (None, None, None)
        d_se: tuple[Tensor, ...] = ()
        d_branch = grad if named.scale is None else grad * named.scale
        if self.norm is None:
            d_norm: tuple[Tensor | None, ...] = (d_branch, None, None)
            return (*d_norm, *nothing, *of_shortcut, *nothing, None)
        if named.se is not None:
            branch = self.norm.forward(named.x, named.norm)
            values = gate_forward(branch, named.se)
            d_mean, d_se = gate_backward(branch.mul_(d_branch).sum((2, 3)), values, named.se)
            d_mean = d_mean / (grad.shape[2] * grad.shape[3])
            d_branch = d_branch * values.gate[..., None, None]
            d_branch.add_(d_mean[..., None, None])
        d_norm = self.norm.backward(d_branch, named.x, None, named.norm)
        return (*d_norm, *nothing, *of_shortcut, *nothing, None, *d_se)


def addition(
    x: Tensor,
    norm: ABN | None,
    se: nn.Module | None,
    drop_path: nn.Module,
    shortcut: Tensor,
    shortcut_norm: ABN | None,
) -> tuple[Addition | FusedAddition, tuple[Tensor | None, ...]]:
    """Describe the end of a block, see ``abn_add``; give the tensors of that."""
    described: Normalisation | None = None
    other: Normalisation | None = None
    tensors: tuple[Tensor | None, ...] = (None,) * 5
    other_tensors: tuple[Tensor | None, ...] = (None,) * 5
    if norm is not None:
        described, tensors = normalisation(norm, x)
    if shortcut_norm is not None:
        other, other_tensors = normalisation(shortcut_norm, shortcut)
    scale = None
    if drop_path.training and not isinstance(drop_path, nn.Identity):
        # The factors that it would multiply the images with, drawn as it draws them.
        scale = drop_path(x.new_ones(len(x), 1, 1, 1))
    gate = gate_tensors(se, x.dtype)
    part: Addition | FusedAddition
    if described is not None and has_fused_addition(x, described, shortcut, other):
        part = FusedAddition(described, other)
    else:
        part = Addition(described, other)
    return part, (x, *tensors, shortcut, *other_tensors, scale, *gate)
