"""ABN with statistics that are given: how the memory path computes and differentiates it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, distributed

from ...kernels import (
    abn_backward,
    abn_forward,
    abn_forward_plain,
    has_kernels,
    terms_of_batch,
)
from ..abn import ABN
from ..global_moments import sum_over_processes
from ..moments import channel_moments
from ..sync_abn import SyncABN


class NormTensors(NamedTuple):
    """What one normalisation reads.

    Attributes:
        weight: (C,).
        bias: (C,).
        mean: (C,).
        inv_std: (C,), 1 / sqrt(variance + eps).
        total: values a channel in all processes together, a tensor of one, where the mean and the
            variance are theirs.
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    inv_std: Tensor
    total: Tensor | None


class Normalisation(NamedTuple):
    """act((x - mean) * inv_std * weight + bias).

    Attributes:
        slope: negative slope of the leaky ReLU; None for no activation.
        of_batch: whether mean and inv_std are those of x, and so depend on it.
    """

    slope: float | None
    of_batch: bool

    def forward(self, x: Tensor, norm: NormTensors) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        run = abn_forward if has_kernels(x) else abn_forward_plain
        return run(x, norm.weight, norm.bias, norm.mean, norm.inv_std, self.slope)

    def backward(
        self, grad: Tensor, x: Tensor, y: Tensor | None, norm: NormTensors
    ) -> tuple[Tensor, ...]:
        """Gradients of x, weight and bias.

        Args:
            grad: the gradient of the output; used up where there is an activation.
            x: the input.
            y: the output; not needed without an activation.
            norm: as in ``forward``.
        """
        if norm.total is None and has_kernels(x):
            return abn_backward(grad, x, *norm[:4], self.slope, self.of_batch)
        if self.slope is not None:
            backward = torch.ops.aten.leaky_relu_backward.grad_input
            backward(grad, y, self.slope, True, grad_input=grad)
        if norm.total is not None:
            return _backward_of_all(grad, x, norm, norm.total)
        return _backward(grad, x, norm, self.of_batch)

    def terms(
        self, d_weight: Tensor, d_bias: Tensor, x: Tensor, norm: NormTensors
    ) -> tuple[Tensor, Tensor] | None:
        """What ``terms_of_batch`` says; None where mean and inv_std do not depend on x.

        Args:
            d_weight: (C,), of this process.
            d_bias: (C,), of this process.
            x: the input.
            norm: as in ``forward``.
        """
        if not self.of_batch:
            return None
        count: Tensor | int = x.numel() // x.shape[1]
        if norm.total is not None:
            count = norm.total
            d_weight, d_bias = sum_over_processes(torch.stack([d_weight, d_bias]))
        return terms_of_batch(d_weight, d_bias, norm[:4], count)


def normalisation(abn: ABN, x: Tensor) -> tuple[Normalisation, NormTensors]:
    """Say how ``abn`` normalises ``x``; in training this moves its running statistics, once.

    Raises:
        ValueError: for a single value a channel in training, which has no variance.
    """
    described = Normalisation(abn.slope, abn.uses_batch_statistics)
    with torch.no_grad():
        mean, var, total = _statistics(abn, x)
        # All in float32 where x, or the whole network, has half precision.
        dtype = torch.promote_types(x.dtype, torch.float32)
        mean, inv_std = mean.to(dtype), torch.rsqrt(var.to(dtype) + abn.eps)
    weight, bias = abn.weight.to(dtype), abn.bias.to(dtype)
    return described, NormTensors(weight, bias, mean, inv_std, total)


def _statistics(abn: ABN, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    if not abn.uses_batch_statistics:
        return abn.running_mean, abn.running_var, None  # type: ignore[return-value]
    count = x.numel() // x.shape[1]
    total = None
    if isinstance(abn, SyncABN) and _several_processes():
        mean, var, total = abn.batch_moments(x if x.dtype == torch.float64 else x.float())
    elif count == 1:
        raise ValueError(
            f"batch norm got one value a channel in training, shape {tuple(x.shape)}; a variance "
            "needs at least two. Take a larger batch or image, or norm_eval=True."
        )
    else:
        mean, var = channel_moments(x)
    if abn.training:
        abn.track(mean, var, count if total is None else total)
    return mean, var, total


def _backward(grad: Tensor, x: Tensor, norm: NormTensors, of_batch: bool) -> tuple[Tensor, ...]:
    if not x.numel():  # torch's kernel divides by the number of values
        return torch.zeros_like(x), torch.zeros_like(norm.weight), torch.zeros_like(norm.bias)
    mean, inv_std = norm.mean, norm.inv_std
    statistics = (None, None, mean, inv_std) if of_batch else (mean, inv_std.pow(-2), None, None)
    gradients: tuple[Tensor, ...] = torch.ops.aten.native_batch_norm_backward(
        grad, x, norm.weight, *statistics, of_batch, 0.0, [True, True, True]
    )
    return gradients


def _backward_of_all(
    grad: Tensor, x: Tensor, norm: NormTensors, total: Tensor
) -> tuple[Tensor, ...]:
    """The same where mean and variance are those of all processes: their sums are exchanged."""
    d_x, d_weight, d_bias = _backward(grad, x, norm, of_batch=False)
    means = sum_over_processes(torch.stack([d_weight, d_bias])) / total
    scale = norm.weight * norm.inv_std
    # d_x - scale * (mean(grad) + x_hat * mean(grad * x_hat))
    of_x = -scale * norm.inv_std * means[0]
    constant = -scale * means[1] - of_x * norm.mean
    d_x = d_x.addcmul_(x, of_x[:, None, None]).add_(constant[:, None, None])
    return d_x, d_weight, d_bias


def _several_processes() -> bool:
    ready = distributed.is_available() and distributed.is_initialized()
    return ready and distributed.get_world_size() > 1
