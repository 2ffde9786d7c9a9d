"""ABN, then maybe a blur at stride 2, then maybe a gate: gate * blur(act(norm(x))).

The leaky ReLU is linear on either side of zero, act(y) = act'(y) * y. So with T the transposed blur,

    sum(grad * blur(act(y))) = weight * inv_std * S1 + bias * S0
    S0 = sum(before)    S1 = sum(before * (x - mean))    before = act'(y) * T(grad)

and the sums that the backward pass of the normalisation needs are what the gate needs as well. With
ones as the gradient they give the sum of the blurred values, from which the gate is computed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .blur import blur_pool, blur_pool_backward
from .norm import Norm, along_channels, normed


def activated_forward_plain(
    x: Tensor,
    norm: Norm,
    slope: float | None,
    kernel: Tensor | None = None,
    gate: Tensor | None = None,
) -> Tensor:
    """gate * blur(act(norm(x))), the last two where there are such.

    Args:
        x: (N, C, H, W).
        norm: weight, bias, mean and inv_std, each (C,).
        slope: negative slope of the leaky ReLU; None for no activation.
        kernel: (1, 1, 3, 3), of the blur, that of ``BlurPool``; None for no blur.
        gate: (N, C).

    Returns:
        (N, C, H, W), with a blur (N, C, ceil(H / 2), ceil(W / 2)).
    """
    out = normed(x, norm)
    if slope is not None:
        out = F.leaky_relu(out, slope)
    if kernel is not None:
        out = blur_pool(out, kernel.to(out.dtype))
    return (out if gate is None else out * along_channels(gate)).to(x.dtype)


def activated_sums_plain(
    grad: Tensor | None,
    x: Tensor,
    norm: Norm,
    slope: float | None,
    kernel: Tensor | None = None,
    per_image: bool = False,
) -> tuple[Tensor, Tensor]:
    """S0 and S1, see above, of a channel or of a channel of every image.

    Args:
        grad: of the result without gate; None for ones.
        x: as in ``activated_forward_plain``, and so the others.
        norm: four (C,).
        slope: of the activation.
        kernel: of the blur.
        per_image: whether images have sums of their own.

    Returns:
        Two of (N, C), or (1, C).
    """
    grad = _ones(x, kernel) if grad is None else grad
    before = _before(grad, x, norm, slope, kernel)
    mean = along_channels(norm[2])
    axes = (2, 3) if per_image else (0, 2, 3)
    sums = before.sum(axes), (before * (x - mean)).sum(axes)
    return sums if per_image else (sums[0][None], sums[1][None])


def activated_gradient_plain(
    grad: Tensor,
    x: Tensor,
    norm: Norm,
    slope: float | None,
    kernel: Tensor | None = None,
    gate: tuple[Tensor, Tensor] | None = None,
    terms: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """The gradient of x, (N, C, H, W).

    Args:
        grad: of the result.
        x: as in ``activated_forward_plain``, and so the others.
        norm: four (C,).
        slope: of the activation.
        kernel: of the blur.
        gate: (N, C) and (N, C), what ``grad`` is to be multiplied by, and then what to be added to
            it; None for no gate.
        terms: of_x (C,) and constant (C,), see ``terms_of_batch``; None where mean and inv_std do
            not depend on x.
    """
    if gate is not None:
        grad = grad * along_channels(gate[0]) + along_channels(gate[1])
    d_x = _before(grad, x, norm, slope, kernel) * along_channels(norm[0] * norm[3])
    if terms is not None:
        of_x, constant = (along_channels(term) for term in terms)
        d_x = d_x + of_x * (x - along_channels(norm[2])) + constant
    return d_x.to(x.dtype)


def activated_forward(
    x: Tensor,
    norm: Norm,
    slope: float | None,
    kernel: Tensor | None = None,
    gate: Tensor | None = None,
) -> Tensor:
    """``activated_forward_plain`` as one kernel that reads x and writes the result."""
    from .abn_triton import forward  # triton is there on CUDA machines alone

    return forward(x, norm, slope, kernel is not None, gate)


def activated_sums(
    grad: Tensor | None,
    x: Tensor,
    norm: Norm,
    slope: float | None,
    kernel: Tensor | None = None,
    per_image: bool = False,
) -> tuple[Tensor, Tensor]:
    """``activated_sums_plain`` as one kernel that reads the gradient, if it is given, and x."""
    from .abn_triton import sums

    return sums(grad, x, norm, slope, kernel is not None, per_image)


def activated_gradient(
    grad: Tensor,
    x: Tensor,
    norm: Norm,
    slope: float | None,
    kernel: Tensor | None = None,
    gate: tuple[Tensor, Tensor] | None = None,
    terms: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """``activated_gradient_plain`` as one kernel that reads the gradient and x and writes that of x."""
    from .abn_triton import gradient

    return gradient(grad, x, norm, slope, kernel is not None, gate, terms)


def _before(
    grad: Tensor, x: Tensor, norm: Norm, slope: float | None, kernel: Tensor | None
) -> Tensor:
    """The gradient before the activation."""
    y = normed(x, norm)
    grad = grad.to(y.dtype)
    if kernel is not None:
        grad = blur_pool_backward(grad, y, kernel.to(y.dtype))
    return grad if slope is None else torch.where(y > 0, grad, grad * slope)


def _ones(x: Tensor, kernel: Tensor | None) -> Tensor:
    halves = 1 if kernel is None else 2
    n, channels, height, width = x.shape
    return x.new_ones(n, channels, -(-height // halves), -(-width // halves))
