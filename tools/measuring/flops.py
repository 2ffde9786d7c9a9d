"""How much arithmetic there is, and how fast the machine could do it."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .options import DTYPES


def flops_an_image(model: nn.Module, images: Tensor) -> float:
    """Floating-point operations of a forward pass, an image (a multiplication and an addition: 2)."""
    training = model.training
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(images)
    model.train(training)
    return counter.get_total_flops() / len(images)


def peak_flops(device: torch.device, dtype: str, size: int | None = None) -> float:
    """Operations a second of the best of several large matrix products."""
    size = size or (8192 if device.type == "cuda" else 1024)
    a = torch.rand(size, size, device=device, dtype=DTYPES[dtype])
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best
