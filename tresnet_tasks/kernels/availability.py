"""Whether a tensor goes through the kernels."""

from __future__ import annotations

import os
import warnings
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

SWITCH = "TRESNET_TASKS_KERNELS"
_OFF = ("", "0", "false", "no", "off")
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def has_kernels(x: Tensor) -> bool:
    """Whether kernels are wanted and exist for a tensor; said once where they are wanted and lack.

    Inside ``torch.compile`` there are none: the compiler fuses what it sees.
    """
    if torch.compiler.is_compiling() or os.environ.get(SWITCH, "").lower() in _OFF:
        return False
    lacking = None
    if find_spec("triton") is None:
        lacking = "triton is not installed"
    elif not (x.is_cuda or _interpreted()):
        lacking = f"there are none for {x.device.type} tensors"
    elif x.dtype not in _DTYPES:
        lacking = f"there are none for {x.dtype}"
    elif not _rows_follow(x):
        lacking = "they take contiguous and channels_last tensors"
    if lacking:
        _say(lacking)
    return lacking is None


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET", "0") == "1"


def _rows_follow(x: Tensor) -> bool:
    return x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)


@cache
def _say(lacking: str) -> None:
    warnings.warn(f"{SWITCH}=1, but {lacking}: torch's own operators are used.", stacklevel=3)
