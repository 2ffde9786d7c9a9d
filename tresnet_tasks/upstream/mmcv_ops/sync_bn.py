"""The local parts of mmcv's synchronised batch norm (``MMSyncBN``): plain torch.

mmcv's Python code does the exchange between processes. Inputs are (N, C, L); means and their like are
(C,) float32. Memory: up to 3 float32 tensors of the size of the input.
"""

from __future__ import annotations

from torch import Tensor

from .precision import operator


def _along_channels(values: Tensor) -> Tensor:
    return values[None, :, None]


@operator
def sync_bn_forward_mean(input: Tensor, mean: Tensor) -> None:
    """Write the mean of each channel into ``mean``."""
    mean.copy_(input.float().mean((0, 2)))


@operator
def sync_bn_forward_var(input: Tensor, mean: Tensor, var: Tensor) -> None:
    """Write the mean squared distance of each channel from ``mean`` into ``var``."""
    var.copy_((input.float() - _along_channels(mean)).square().mean((0, 2)))


@operator
def sync_bn_forward_output(
    input: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    norm: Tensor,
    std: Tensor,
    output: Tensor,
    *,
    eps: float,
    momentum: float | Tensor,
    group_size: int,
) -> None:
    """Normalise, and move the running statistics.

    Args:
        input: (N, C, L).
        mean: (C,), over all processes.
        var: (C,), over all processes, biased.
        weight: (C,), or None.
        bias: (C,), or None.
        running_mean: (C,), moved by ``momentum`` towards ``mean``; or None.
        running_var: (C,), moved towards the unbiased variance; or None.
        norm: (N, C, L) float32, filled with the normalised input.
        std: (C,), filled with sqrt(var + eps).
        output: (N, C, L), filled.
        eps: added to the variance.
        momentum: a number, or a tensor with one.
        group_size: processes, each taken to have as many values as this one.
    """
    std.copy_((var + eps).sqrt())
    norm.copy_((input.float() - _along_channels(mean)) / _along_channels(std))
    result = norm
    if weight is not None and bias is not None:
        result = norm * _along_channels(weight) + _along_channels(bias)
    output.copy_(result)
    if running_mean is not None and running_var is not None:
        count = input.shape[0] * input.shape[2] * group_size
        unbiased = var * count / (count - 1) if count > 1 else var
        running_mean.copy_(momentum * mean + (1 - momentum) * running_mean)
        running_var.copy_(momentum * unbiased + (1 - momentum) * running_var)


@operator
def sync_bn_backward_param(
    grad_output: Tensor, norm: Tensor, grad_weight: Tensor, grad_bias: Tensor
) -> None:
    """Write the derivatives in weight and bias, of this process alone."""
    grad_weight.copy_((grad_output.float() * norm).sum((0, 2)))
    grad_bias.copy_(grad_output.float().sum((0, 2)))


@operator
def sync_bn_backward_data(
    grad_output: Tensor,
    weight: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    norm: Tensor,
    std: Tensor,
    grad_input: Tensor,
) -> None:
    """Write the derivative in the input; ``grad_weight`` and ``grad_bias`` are means over processes."""
    count = norm.shape[0] * norm.shape[2]
    common = _along_channels(grad_weight) * norm + _along_channels(grad_bias)
    scale = _along_channels(weight / std)
    grad_input.copy_(scale * (grad_output.float() - common / count))
