"""ABN with given statistics: one pass forward, two backward."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .norm import terms_of_batch


def abn_forward_plain(
    x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, inv_std: Tensor, slope: float | None
) -> Tensor:
    """act((x - mean) * inv_std * weight + bias).

    Args:
        x: (N, C, H, W).
        weight: (C,).
        bias: (C,).
        mean: (C,).
        inv_std: (C,), 1 / sqrt(variance + eps).
        slope: negative slope of the leaky ReLU; None for no activation.
    """
    # The variance already holds its epsilon.
    y = F.batch_norm(x, mean, inv_std.pow(-2), weight, bias, eps=0.0)
    return y if slope is None else F.leaky_relu_(y, slope)


def abn_backward_plain(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    inv_std: Tensor,
    slope: float | None,
    of_batch: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias of ``abn_forward_plain``.

    Args:
        grad: (N, C, H, W), the gradient of its result.
        x: as there, and so the others.
        weight: (C,).
        bias: (C,).
        mean: (C,).
        inv_std: (C,).
        slope: of the activation.
        of_batch: whether mean and inv_std are those of ``x``, and so depend on it.
    """
    if slope is not None:
        y = abn_forward_plain(x, weight, bias, mean, inv_std, None)
        grad = torch.ops.aten.leaky_relu_backward(grad, y, slope, False)
    statistics = (None, None, mean, inv_std) if of_batch else (mean, inv_std.pow(-2), None, None)
    d_x, d_weight, d_bias = torch.ops.aten.native_batch_norm_backward(
        grad, x, weight, *statistics, of_batch, 0.0, [True, True, True]
    )
    return d_x, d_weight, d_bias


def abn_forward(
    x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, inv_std: Tensor, slope: float | None
) -> Tensor:
    """``abn_forward_plain`` as one kernel that reads x and writes the result; see `has_kernels`."""
    from .abn_triton import forward  # triton is there on CUDA machines alone

    return forward(x, (weight, bias, mean, inv_std), slope, blur=False, gate=None)


def abn_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    inv_std: Tensor,
    slope: float | None,
    of_batch: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """``abn_backward_plain`` as two kernels: the sums over a channel, then the gradient of x.

    Both read the gradient and x, the second writes; the sign under the activation is computed
    again.
    """
    from .abn_triton import gradient, sums

    norm = weight, bias, mean, inv_std
    of_grad, of_product = (s[0] for s in sums(grad, x, norm, slope, blur=False, per_image=False))
    d_weight = of_product * inv_std
    count = x.numel() // x.shape[1]
    terms = terms_of_batch(d_weight, of_grad, norm, count) if of_batch and count else None
    d_x = gradient(grad, x, norm, slope, blur=False, gate=None, terms=terms)
    return d_x, d_weight.to(weight.dtype), of_grad.to(bias.dtype)
