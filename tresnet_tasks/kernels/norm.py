"""What the kernels read of a normalisation, and the gradients that follow from sums."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

# weight, bias, mean and inv_std = 1 / sqrt(variance + eps), each (C,): (x - mean) * inv_std *
# weight + bias
Norm = tuple[Tensor, Tensor, Tensor, Tensor]


class InputGradient(NamedTuple):
    """The gradient of a normalised input x: of_grad * grad + of_x * (x - mean) + constant.

    Attributes:
        of_grad: (C,) or (N, C).
        of_x: (C,); None for zeros, where mean and inv_std do not depend on x.
        constant: as ``of_grad``.
        mean: (C,).
    """

    of_grad: Tensor
    of_x: Tensor | None
    constant: Tensor
    mean: Tensor


def along_channels(vector: Tensor) -> Tensor:
    """(C,) or (N, C) -> what is broadcast against (N, C, H, W)."""
    return vector[..., None, None]


def normed(x: Tensor, norm: Norm) -> Tensor:
    """(x - mean) * inv_std * weight + bias, for (N, C, H, W)."""
    weight, bias, mean, inv_std = map(along_channels, norm)
    return (x - mean) * (inv_std * weight) + bias


def terms_of_batch(
    d_weight: Tensor, d_bias: Tensor, norm: Norm, count: Tensor | int
) -> tuple[Tensor, Tensor]:
    """Gradients that reach x through the mean and the variance of its batch.

    Args:
        d_weight: (C,), the gradient of the weight: the sum of grad * (x - mean) * inv_std.
        d_bias: (C,), the gradient of the bias: the sum of grad.
        norm: the normalisation.
        count: values a channel that both are sums of.

    Returns:
        of_x (C,) and constant (C,), the gradient of x being grad * inv_std * weight + of_x *
        (x - mean) + constant.
    """
    weight, _, _, inv_std = norm
    scale = weight * inv_std / -count
    return scale * inv_std * d_weight, scale * d_bias
