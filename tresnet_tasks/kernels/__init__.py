"""Fused pointwise work on CUDA, in Triton; the plain twin of each defines what it computes.

They are used where ``TRESNET_TASKS_KERNELS=1`` is set, for CUDA tensors of float32, bfloat16 and
float16. Off by default: they are tested in Triton's interpreter and compiled for GPUs, where nothing
has been measured.

What they are for: an operator reads and writes whole tensors, a kernel each of them once. Tensors of
full size read and written, counted from the code, the statistics and what is computed again for the
backward pass left out (a tensor after the blur counts 1/4):

    step of a block                                  operators           kernels
                                                     read    written     read    written
    ABN                                  forward     2       2           1       1
                                         backward    6       2           4       1
    ABN, blur, gate                      forward     4 1/2   3 1/2       2       1/4
                                         backward    8 1/2   4 3/4       2 1/2   1
    norm, gate, addition, ReLU           forward     5       3           3       1
                                         backward    13      6           6       2
    norm, normed shortcut, addition,     forward     5       4           2       1
    ReLU                                 backward    10      3           8       2

The average pool of the shortcut, space-to-depth and the batch statistics have none: torch's own
operators read once and write once. Nor has the end of a bottleneck in float32 whose branch comes
normalised (``pointwise_norm``).
"""

from .abn import abn_backward, abn_backward_plain, abn_forward, abn_forward_plain
from .activated import (
    activated_forward,
    activated_forward_plain,
    activated_gradient,
    activated_gradient_plain,
    activated_sums,
    activated_sums_plain,
)
from .addition import (
    addition_forward,
    addition_forward_plain,
    addition_gradients,
    addition_gradients_plain,
    addition_sums,
    addition_sums_plain,
)
from .availability import has_kernels
from .blur import blur_pool, blur_pool_backward
from .norm import InputGradient, Norm, terms_of_batch

__all__ = [
    "InputGradient",
    "Norm",
    "abn_backward",
    "abn_backward_plain",
    "abn_forward",
    "abn_forward_plain",
    "activated_forward",
    "activated_forward_plain",
    "activated_gradient",
    "activated_gradient_plain",
    "activated_sums",
    "activated_sums_plain",
    "addition_forward",
    "addition_forward_plain",
    "addition_gradients",
    "addition_gradients_plain",
    "addition_sums",
    "addition_sums_plain",
    "blur_pool",
    "blur_pool_backward",
    "has_kernels",
    "terms_of_batch",
]
