"""Speed and memory of the asymmetric loss, beside binary cross entropy and the published code's steps.

All are run in turns in one process, and the fastest round of each counts: others on the machine disturb it least.
Memory is the peak of what the allocator gave out during one forward and backward, in tensors of the logits' size.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from tresnet_tasks.losses import AsymmetricLoss

SHAPES = ((128, 80), (64, 9605))
Loss = Callable[[Tensor, Tensor], Tensor]


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line a loss and shape."""
    parser = argparse.ArgumentParser(prog="benchmark loss", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="a shape (default: 5)")
    parser.add_argument(
        "--shape", type=int, nargs=2, metavar=("N", "C"), help="default: 128 80, then 64 9605"
    )
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    losses: dict[str, Loss] = {
        "binary cross entropy": lambda x, y: F.binary_cross_entropy_with_logits(
            x, y, reduction="sum"
        ),
        "AsymmetricLoss": AsymmetricLoss(),
        "as published": _published,
        "focal": AsymmetricLoss(2.0, 2.0, 0.0, detach_weight=False),
    }
    print(f"forward + backward, float32, {args.threads} thread(s), torch {torch.__version__}")
    for shape in SHAPES if args.shape is None else (tuple(args.shape),):
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(shape, generator=generator, requires_grad=True)
        targets = (torch.rand(shape, generator=generator) < 3 / shape[1]).float()
        times = _measure(losses, logits, targets, args.seconds)
        base = times["binary cross entropy"]
        for name, spent in times.items():
            peak = _peak(losses[name], logits, targets) / (logits.numel() * 4)
            print(
                f"{shape!s:12} {name:22} {1e6 * spent:10.0f} us  {spent / base:5.2f} x BCE  "
                f"peak {peak:4.1f} tensors"
            )
    return 0


def _published(logits: Tensor, targets: Tensor) -> Tensor:
    """The formula of arXiv 2009.14119 step by step, the focusing weight outside autograd."""
    p = logits.sigmoid()
    n = (1 - p + 0.05).clamp(max=1)
    loss = targets * p.clamp(min=1e-8).log() + (1 - targets) * n.clamp(min=1e-8).log()
    with torch.no_grad():
        truth = p * targets + n * (1 - targets)
        weight = (1 - truth) ** (4 * (1 - targets))
    return -(loss * weight).sum()


def _step(loss: Loss, logits: Tensor, targets: Tensor) -> None:
    logits.grad = None
    loss(logits, targets).backward()


def _measure(
    losses: dict[str, Loss], logits: Tensor, targets: Tensor, seconds: float
) -> dict[str, float]:
    """The fastest round of each, in seconds a step."""
    steps = max(1, min(100, 1_000_000 // logits.numel()))  # a round of some 10 ms
    times: dict[str, list[float]] = {name: [] for name in losses}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["binary cross entropy"]) < 5:
        for name, loss in losses.items():
            start = time.perf_counter()
            for _ in range(steps):
                _step(loss, logits, targets)
            times[name].append((time.perf_counter() - start) / steps)
    return {name: min(spent) for name, spent in times.items()}


def _peak(loss: Loss, logits: Tensor, targets: Tensor) -> int:
    """Most bytes at a time that one step took from the CPU's allocator."""
    _step(loss, logits, targets)
    logits.grad = None
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        _step(loss, logits, targets)
    events = found.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    held = most = 0
    for _, change in changes:
        held += change
        most = max(most, held)
    return most


if __name__ == "__main__":
    raise SystemExit(main())
