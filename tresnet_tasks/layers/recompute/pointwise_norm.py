"""A 1x1 convolution and the batch norm after it, with the convolution's output never kept.

The output u = W z is linear in the input z, which is narrow where u is wide, so that everything the
batch norm has to know of u follows from the mean and the covariance of z:

    mean(u) = W mean(z)        var(u) = diag(W cov(z) W^T)

and the sums over u in its backward pass from the gradient that the weight receives anyway:

    sum(d * (u - mean(u))) = rowsum(W * G)        with G = sum(d (z - mean(z))^T)

Neither pass reads or computes u again. Nothing is approximated.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..abn import ABN
from ..sync_abn import SyncABN
from .convolution import conv2d, conv2d_backward, second_moments


class PointwiseNorm(NamedTuple):
    """norm(conv(z)) for a batch, and what its backward pass reads.

    Attributes:
        conv_weight: (M, K, 1, 1).
        weight: (M,) of the norm.
        bias: (M,) of the norm.
        inv_std: (M,), 1 / sqrt(variance + eps) of the output of the convolution.
        mean: (K, 1, 1), of the input.
        covariance: (K, K), of the input.
    """

    conv_weight: Tensor
    weight: Tensor
    bias: Tensor
    inv_std: Tensor
    mean: Tensor
    covariance: Tensor

    def forward(self, centred: Tensor) -> Tensor:
        """(N, K, H, W), the input less its mean -> (N, M, H, W)."""
        scale = self.weight * self.inv_std
        return conv2d(centred, self.conv_weight * scale[:, None, None, None], self.bias)

    def backward(self, grad: Tensor, centred: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gradients of the input, of the convolution's weight, and of the norm's two.

        Args:
            grad: (N, M, H, W), of the result.
            centred: as in ``forward``.
        """
        count = centred.numel() // centred.shape[1]
        scale = self.weight * self.inv_std
        matrix = self.conv_weight.flatten(1)
        scaled = self.conv_weight * scale[:, None, None, None]
        d_input, products = conv2d_backward(grad, centred, scaled, need_weight=True)
        products = products.flatten(1)  # type: ignore[union-attr]
        d_bias = grad.sum((0, 2, 3))
        d_weight = (matrix * products).sum(1) * self.inv_std
        # The gradient of u: scale * (grad - d_bias / count) + slope * (u - mean(u)).
        slope = -scale * self.inv_std * d_weight / count
        square = matrix.t() @ (matrix * slope[:, None])
        constant = -(scale * d_bias / count) @ matrix
        d_input.add_(conv2d(centred, square[:, :, None, None], constant))
        d_matrix = matrix @ self.covariance
        d_matrix.mul_((slope * count)[:, None]).addcmul_(products, scale[:, None])
        return d_input, d_matrix.view_as(self.conv_weight), d_weight, d_bias


def follows_from_input(z: Tensor, abn: ABN) -> bool:
    """Whether ``pointwise_norm`` serves: a batch of this process alone, in single precision or more.

    In half precision the sums would be rounded where the recomputed output is not.
    """
    full = z.dtype in (torch.float32, torch.float64) and z.dtype == abn.weight.dtype
    return full and abn.uses_batch_statistics and not isinstance(abn, SyncABN)


@torch.no_grad()
def pointwise_norm(z: Tensor, conv_weight: Tensor, abn: ABN) -> PointwiseNorm:
    """Find the statistics of ``conv(z)``, which move the running ones; ``z`` loses its mean.

    Args:
        z: (N, K, H, W), the input of the convolution, changed in place.
        conv_weight: (M, K, 1, 1).
        abn: normalises the output by its batch.
    """
    count = z.numel() // z.shape[1]
    mean = z.mean((0, 2, 3))
    z.sub_(mean[:, None, None])
    covariance = second_moments(z).div_(count)
    matrix = conv_weight.flatten(1)
    var = ((matrix @ covariance) * matrix).sum(1).clamp_(min=0)
    if abn.training:
        abn.track(matrix @ mean, var, count)
    inv_std = torch.rsqrt(var + abn.eps)
    return PointwiseNorm(
        conv_weight, abn.weight, abn.bias, inv_std, mean[:, None, None], covariance
    )
