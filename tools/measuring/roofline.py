"""How far a network is from what the machine's arithmetic and memory allow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .options import DTYPES


class Roofline(NamedTuple):
    """What a machine can do at best, both measured.

    Attributes:
        flops: operations a second, of a large product of matrices.
        bandwidth: bytes read and written a second, of a copy of more than the caches hold.
        width: bytes of a number.
    """

    flops: float
    bandwidth: float
    width: int

    @classmethod
    def of(cls, device: torch.device, dtype: str) -> Roofline:
        """Measure it."""
        side, numbers = (8192, 1 << 28) if device.type == "cuda" else (1024, 1 << 26)
        a = torch.rand(side, side, device=device, dtype=DTYPES[dtype])
        source = torch.zeros(numbers, dtype=DTYPES[dtype], device=device)
        target = torch.zeros_like(source)
        traffic = 2 * source.nbytes
        return cls(
            2 * side**3 / _least(lambda: a @ a, device),
            traffic / _least(lambda: target.copy_(source), device),
            source.element_size(),
        )

    def __str__(self) -> str:
        return (
            f"measured: {self.flops:.3g} FLOP/s by a large product of matrices, "
            f"{self.bandwidth:.3g} bytes/s by a copy"
        )

    def seconds(self, model: nn.Module, images: Tensor, training: bool) -> float:
        """The least that the convolutions and linear layers of a network could take for ``images``.

        Each takes as long as its arithmetic or as reading its input and weight and writing its
        output once, whichever is longer; in training three times that, for two gradients as large.
        What lies between them is taken to cost nothing, and the arithmetic is that of the
        definition: an algorithm with less of it may do better.
        """
        total = 0.0

        def add(layer: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
            nonlocal total
            (weight,) = (p for p in layer.parameters() if p.dim() > 1)
            flops = 2 * out.numel() * weight[0].numel()
            moved = self.width * (inputs[0].numel() + weight.numel() + out.numel())
            total += max(flops / self.flops, moved / self.bandwidth)

        layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        hooks = [layer.register_forward_hook(add) for layer in layers]
        mode = model.training
        with torch.no_grad():
            model.eval()(images)
        model.train(mode)
        for hook in hooks:
            hook.remove()
        return total * (3 if training else 1)


def _least(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of the best of several."""
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return best
