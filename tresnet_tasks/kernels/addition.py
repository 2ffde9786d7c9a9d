"""The end of a block: relu(factor * norm(x) + shortcut_norm(shortcut)), each where there is such.

The factor is that of stochastic depth, of an image, times the gate, of an image and a channel. What
their gradients and those of the normalisations are follows from few sums.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .norm import InputGradient, Norm, along_channels, normed


def addition_forward_plain(
    x: Tensor, norm: Norm, shortcut: Tensor, shortcut_norm: Norm | None, factor: Tensor | None
) -> Tensor:
    """relu(factor * norm(x) + shortcut_norm(shortcut)).

    Args:
        x: (N, C, H, W).
        norm: weight, bias, mean and inv_std, each (C,).
        shortcut: (N, C, H, W).
        shortcut_norm: four (C,); None where the shortcut is added as it is.
        factor: (N, C); None for ones.

    Returns:
        (N, C, H, W).
    """
    branch = normed(x, norm)
    branch = branch if factor is None else branch * along_channels(factor)
    other = shortcut if shortcut_norm is None else normed(shortcut, shortcut_norm)
    return (branch + other).relu().to(x.dtype)


def addition_sums_plain(
    grad: Tensor, out: Tensor, x: Tensor, mean: Tensor, shortcut: Tensor, mean2: Tensor | None
) -> tuple[Tensor, ...]:
    """What all gradients of small tensors follow from, with g = grad where out > 0, else 0.

    Args:
        grad: (N, C, H, W), of the result.
        out: (N, C, H, W), the result.
        x: (N, C, H, W).
        mean: (C,), of the norm of x.
        shortcut: (N, C, H, W), read where ``mean2`` is given.
        mean2: (C,), of the norm of the shortcut; None without one.

    Returns:
        Four of (N, C), sums over an image: of g, g * (x - mean), x - mean and g * (shortcut -
        mean2), the last zeros without ``mean2``.
    """
    grad = torch.ops.aten.threshold_backward(grad, out, 0).to(mean.dtype)
    centred = x - along_channels(mean)
    other = torch.zeros_like(centred) if mean2 is None else shortcut - along_channels(mean2)
    return tuple(value.sum((2, 3)) for value in (grad, grad * centred, centred, grad * other))


def addition_gradients_plain(
    grad: Tensor,
    out: Tensor,
    x: Tensor,
    shortcut: Tensor,
    of_branch: InputGradient,
    of_shortcut: InputGradient | None,
) -> tuple[Tensor, Tensor]:
    """Gradients of x and shortcut, both (N, C, H, W).

    Args:
        grad: (N, C, H, W), of the result.
        out: (N, C, H, W), the result.
        x: (N, C, H, W), read where ``of_branch.of_x`` is given.
        shortcut: (N, C, H, W), read where ``of_shortcut.of_x`` is given.
        of_branch: for x, with ``of_grad`` and ``constant`` (N, C).
        of_shortcut: for the shortcut, with (C,); None where it is added as it is.
    """
    grad = torch.ops.aten.threshold_backward(grad, out, 0)
    d_x = _gradient(grad, x, of_branch)
    return d_x, grad if of_shortcut is None else _gradient(grad, shortcut, of_shortcut)


def addition_forward(
    x: Tensor, norm: Norm, shortcut: Tensor, shortcut_norm: Norm | None, factor: Tensor | None
) -> Tensor:
    """``addition_forward_plain`` as one kernel that reads x and shortcut and writes the result."""
    from .addition_triton import forward  # triton is there on CUDA machines alone

    return forward(x, norm, shortcut, shortcut_norm, factor)


def addition_sums(
    grad: Tensor, out: Tensor, x: Tensor, mean: Tensor, shortcut: Tensor, mean2: Tensor | None
) -> tuple[Tensor, ...]:
    """``addition_sums_plain`` as one kernel that reads grad, out, x and a shortcut with a norm."""
    from .addition_triton import sums

    return sums(grad, out, x, mean, shortcut, mean2)


def addition_gradients(
    grad: Tensor,
    out: Tensor,
    x: Tensor,
    shortcut: Tensor,
    of_branch: InputGradient,
    of_shortcut: InputGradient | None,
) -> tuple[Tensor, Tensor]:
    """``addition_gradients_plain`` as one kernel that reads grad, out and what else it says there.

    It writes both gradients.
    """
    from .addition_triton import gradients

    return gradients(grad, out, x, shortcut, of_branch, of_shortcut)


def _gradient(grad: Tensor, x: Tensor, of: InputGradient) -> Tensor:
    d_x = grad * along_channels(of.of_grad) + along_channels(of.constant)
    if of.of_x is not None:
        d_x = d_x + (x - along_channels(of.mean)) * along_channels(of.of_x)
    return d_x.to(x.dtype)
