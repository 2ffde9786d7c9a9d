"""Rearranged images in graphs that are compiled for any image size.

Inductor (seen in torch 2.14) sorts the strides of a view that is kept for the backward pass and that a
convolution wants in channels_last; where sizes are symbols it cannot, and fails with "cannot determine
truth value of Relational". A tensor of its own in that layout is no view. Can go when
``torch/_inductor/graph.py`` hands ``get_stride_order`` its ``shape_env`` there.
"""

from __future__ import annotations

import torch
from torch import Tensor


def as_compiled(x: Tensor) -> Tensor:
    """What a convolution reads next: in a compiled graph (N, C, H, W) in channels_last, else as it is."""
    if torch.compiler.is_compiling():
        return x.contiguous(memory_format=torch.channels_last)
    return x
