"""The learning rate range test: which rates train, seen in a few dozen steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook

from ..reports.learning_rates import draw_lr_search
from ..upstream.accumulation import optimizer_stepped
from .launch import LaunchOptions, work_dir_of
from .schedule_completion import schedules_of
from .trial import EnoughError, run_trial

_MEMORY = 0.9  # of the moving average that smooths the losses
_DIVERGED = 4.0  # times the least smoothed loss


@dataclass
class LRSearch:
    """What a range test found.

    Attributes:
        rates: of each step, rising.
        losses: smoothed.
        suggestion: the rate at which the loss falls most steeply; None if it never falls.
        path: of the picture.
        scale: what ``auto_scale_lr`` multiplies a config's rates with.
        one_cycle: whether the config's schedule states its own peak.
    """

    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    suggestion: float | None = None
    path: Path | None = None
    scale: float = 1.0
    one_cycle: bool = False

    def __str__(self) -> str:
        """The answer and how to use it."""
        shown = f"picture: {self.path}"
        if self.suggestion is None:
            return (
                f"the loss did not fall at any rate from {self.rates[0]:.3g} to "
                f"{self.rates[-1]:.3g}: no suggestion. Does the model train at all?\n{shown}"
            )
        least = self.rates[int(np.argmin(self.losses))]
        stated = f"{self.suggestion / self.scale:.2g}"
        words = [f"optim_wrapper.optimizer.lr={stated}"]
        if self.one_cycle:
            words.append(f"param_scheduler.eta_max={stated}")
        return (
            f"suggested learning rate: {self.suggestion:.2g}, where the loss falls most steeply; it "
            f"is least at {least:.2g}, beyond which training diverges\n"
            f"--cfg-options {' '.join(words)}\n{shown}"
        )


def find_lr(
    cfg: Config,
    options: LaunchOptions,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
) -> LRSearch:
    """Train with rates that rise from step to step, and draw the loss over them (arXiv 1506.01186).

    The rates are those of the optimizer; groups with others keep the proportion. It ends early
    where the loss explodes. Nothing is left behind but ``find_lr.png`` in the work dir.

    Args:
        cfg: as read; it is not changed.
        options: of the run to come, whose batches, weights and precision are used.
        low: rate of the first step.
        high: rate of the last one.
        steps: of the optimizer.

    Raises:
        ValueError: if not even the first loss is finite, or the run has several optimizers.
    """
    sweep = _Sweep(low, high, steps)
    run_trial(cfg, options, sweep)
    found = sweep.found
    if not found.losses:
        raise ValueError(
            f"the loss of the first step, at a rate of {low:.2g}, is not finite: there is nothing to "
            "compare. Look at the data with --dry-run, or set --amp off."
        )
    found.suggestion = _steepest(found.rates, found.losses)
    schedules = list(schedules_of(cfg.get("param_scheduler")))
    found.one_cycle = any(schedule.get("eta_max") is not None for schedule in schedules)
    found.path = Path(work_dir_of(cfg, options)) / "find_lr.png"
    if is_main_process():
        draw_lr_search(found.rates, found.losses, found.suggestion, found.path)
    return found


class _Sweep(Hook):
    """Sets the rates and notes the losses."""

    # After all other hooks, which may change rates themselves.
    priority = "LOWEST"

    def __init__(self, low: float, high: float, steps: int) -> None:
        self.found = LRSearch()
        self._planned = np.geomspace(low, high, steps).tolist()
        self._window: list[float] = []
        self._average = 0.0

    def before_train(self, runner: Any) -> None:
        """Note the proportions of the groups."""
        wrapper = runner.optim_wrapper
        if not hasattr(wrapper, "optimizer"):
            raise ValueError("a run with several optimizers has no one learning rate to look for.")
        base = wrapper.param_groups[-1]["lr"]
        self._groups = [(group, group["lr"] / base) for group in wrapper.optimizer.param_groups]
        rule = runner.auto_scale_lr or {}
        if rule.get("enable"):
            self.found.scale = base / wrapper.optimizer.defaults["lr"]

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Set the rates."""
        rate = self._planned[len(self.found.rates)]
        for group, share in self._groups:
            group["lr"] = rate * share

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note the loss of a step, and end where enough is seen."""
        loss = outputs["loss"].detach().double()
        all_reduce(loss, op="mean")
        self._window.append(float(loss))
        if not optimizer_stepped(runner.optim_wrapper):
            return
        found = self.found
        value = float(np.mean(self._window))
        self._window = []
        if not math.isfinite(value):
            raise EnoughError
        done = len(found.losses) + 1
        self._average = _MEMORY * self._average + (1 - _MEMORY) * value
        found.rates.append(self._planned[done - 1])
        found.losses.append(self._average / (1 - _MEMORY**done))
        if done == len(self._planned) or found.losses[-1] > _DIVERGED * abs(min(found.losses)):
            raise EnoughError


def _steepest(rates: list[float], losses: list[float]) -> float | None:
    """The rate of the steepest descent over the logarithm of the rates, before the least loss."""
    end = int(np.argmin(losses)) + 1 if losses else 0
    # The first steps say little: their average is of few losses.
    start = min(len(losses) // 10, max(0, end - 3))
    if end - start < 3:
        return None
    slopes = np.gradient(losses[start:end], np.log(rates[start:end]))
    steepest = int(np.argmin(slopes))
    return rates[start + steepest] if slopes[steepest] < 0 else None
