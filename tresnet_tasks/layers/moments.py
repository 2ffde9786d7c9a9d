"""Mean and variance of each channel."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def channel_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel, without autograd.

    Args:
        x: (N, C, H, W) float; N may be 0.

    Returns:
        (C,) and (C,), float32 for half precision, else as ``x``; zeros where there are no values.
    """
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    if not x.numel():
        zeros = x.new_zeros(x.shape[1], dtype=dtype)
        return zeros, zeros
    if x.device.type not in ("cpu", "cuda"):
        var, mean = torch.var_mean(x.to(dtype), (0, 2, 3), correction=0)
        return mean, var
    running = x.new_zeros(2, x.shape[1], dtype=dtype)  # asked for, and left as it is
    return torch.batch_norm_update_stats(x, running[0], running[1], 0.0)
