"""Fused pointwise work on CUDA, in Triton; the plain twin of each defines what it computes."""

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
