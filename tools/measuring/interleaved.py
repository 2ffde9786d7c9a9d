"""Timing that other work on the machine disturbs equally."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch


class Spread(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Those of some values."""
        low, median, high = (
            statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        )
        return cls(median, low, high)


def time_interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 1
) -> dict[str, list[float]]:
    """Seconds of each run in each round: every round runs all of them, one after the other.

    Each round has an order of its own: what a run finds in the caches depends on the one before it.
    """
    orders = random.Random(0)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(-warmup, rounds):
        for name in orders.sample(list(runs), len(runs)):
            _finish()
            start = time.perf_counter()
            runs[name]()
            _finish()
            if number >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratios(seconds: Mapping[str, list[float]], reference: str) -> dict[str, Spread]:
    """Time over the reference's in the same round: below 1 is faster."""
    return {
        name: Spread.of([a / b for a, b in zip(values, seconds[reference], strict=True)])
        for name, values in seconds.items()
    }


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
