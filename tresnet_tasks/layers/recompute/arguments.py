"""The tensors of the parts of a block, which autograd functions take flat, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from .gate import GateTensors
from .normalisation import NormTensors


class ActivatedTensors(NamedTuple):
    """Of ``Activated``; kernel: the blur's."""

    x: Tensor
    norm: NormTensors
    kernel: Tensor | None
    se: GateTensors | None

    @classmethod
    def named(cls, flat: Sequence[Any]) -> ActivatedTensors:
        """From x, five of the normalisation, the blur's kernel or None, and the gate's four."""
        se = GateTensors(*flat[7:]) if len(flat) > 7 else None
        return cls(flat[0], NormTensors(*flat[1:6]), flat[6], se)


class AdditionTensors(NamedTuple):
    """Of ``Addition``."""

    x: Tensor
    norm: NormTensors
    shortcut: Tensor
    shortcut_norm: NormTensors
    scale: Tensor | None
    se: GateTensors | None

    @classmethod
    def named(cls, flat: Sequence[Any]) -> AdditionTensors:
        """From the order that ``Addition`` says."""
        return cls(
            flat[0],
            NormTensors(*flat[1:6]),
            flat[6],
            NormTensors(*flat[7:12]),
            flat[12],
            GateTensors(*flat[13:]) if len(flat) > 13 else None,
        )
