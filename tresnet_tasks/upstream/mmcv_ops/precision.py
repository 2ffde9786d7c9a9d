"""In which precision operators compute, whatever the caller's autocast is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def operator(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` without autocast and without recording gradients, as a compiled kernel would.

    mmcv calls its operators inside ``torch.autograd.Function``, with autocast still on: a matrix
    product inside would silently be half precision.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        device = next(arg.device.type for arg in args if isinstance(arg, Tensor))
        with torch.no_grad(), torch.autocast(device, enabled=False):
            return function(*args, **kwargs)

    return run


def widened(tensor: Tensor) -> Tensor:
    """``tensor`` as float64 if it is that, else as float32: half types are computed in float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
