"""Fused pointwise work on CUDA, in Triton; the plain twin of each defines what it computes.

They are used where ``TRESNET_TASKS_KERNELS=1`` is set, for CUDA tensors of float32, bfloat16 and
float16. Off by default: they are tested in Triton's interpreter, and not measured on a GPU yet.
"""

from .abn import abn_backward, abn_backward_plain, abn_forward, abn_forward_plain
from .availability import has_kernels

__all__ = [
    "abn_backward",
    "abn_backward_plain",
    "abn_forward",
    "abn_forward_plain",
    "has_kernels",
]
