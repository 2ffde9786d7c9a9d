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
_CLEAR = 3.0  # times the noise of a step, which a fall of the smoothed loss is to exceed
_BELOW = 10.0  # times below the rate of the least loss: there training is about to get worse


@dataclass
class LRSearch:
    """What a range test found.

    Attributes:
        rates: of each step, rising.
        raw: the losses of the steps.
        losses: smoothed.
        diverged: whether it ended where the loss exploded.
        path: of the picture.
        scale: what ``auto_scale_lr`` multiplies a config's rates with.
        one_cycle: whether the config's schedule states its own peak.
    """

    rates: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    diverged: bool = False
    path: Path | None = None
    scale: float = 1.0
    one_cycle: bool = False

    @property
    def start(self) -> float:
        """The mean loss of the first steps, at rates that change nothing yet."""
        return float(np.mean(self.raw[: max(1, len(self.raw) // 10)]))

    @property
    def noise(self) -> float:
        """The standard deviation of a step's loss, from the median change between two steps."""
        # Neither a trend nor an explosion at the end moves it: 0.954 is the median absolute
        # difference of two normal variables of deviation 1.
        changes = np.abs(np.diff(self.raw))
        return float(np.median(changes)) / 0.954 if len(changes) else math.inf

    @property
    def least(self) -> int:
        """The step of the least smoothed loss; not one of the first, whose average is of few."""
        early = len(self.losses) // 10
        return early + int(np.argmin(self.losses[early:]))

    @property
    def suggestion(self) -> float | None:
        """A tenth of the rate of the least loss; None if the loss does not clearly fall."""
        if self.start - self.losses[self.least] <= _CLEAR * self.noise:
            return None
        return self.rates[self.least] / _BELOW

    def __str__(self) -> str:
        """The answer and how to use it."""
        least, rate = f"{self.losses[self.least]:.3g}", f"{self.rates[self.least]:.2g}"
        if self.suggestion is None:
            setting = ""
            answer = (
                f"no suggestion: the smoothed loss goes from {self.start:.3g} to {least} (at {rate}), "
                f"no clear fall beside the noise of {self.noise:.2g} from step to step. So few steps "
                "do not tell good rates from bad ones here: keep the config's, or compare short runs "
                "at rates a factor of 3 apart. Larger batches or trained weights (load_from=...) "
                "make a fall easier to see"
            )
        else:
            stated = f"{self.suggestion / self.scale:.2g}"
            setting = f"--cfg-options optim_wrapper.optimizer.lr={stated}"
            setting += f" param_scheduler.eta_max={stated}\n" if self.one_cycle else "\n"
            answer = (
                f"suggested learning rate: {self.suggestion:.2g}, a tenth of the rate of the least "
                f"smoothed loss ({least} at {rate}; it began at {self.start:.3g})"
            )
            if self.least == len(self.rates) - 1:
                answer += "; it still fell at the last rate"
        if self.diverged:
            answer += f"; training diverges at about {self.rates[-1]:.2g}"
        return f"{answer}\n{setting}picture: {self.path}"


def find_lr(
    cfg: Config,
    options: LaunchOptions,
    low: float = 1e-5,
    high: float = 1.0,
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
            found.diverged = True
            raise EnoughError
        done = len(found.losses) + 1
        self._average = _MEMORY * self._average + (1 - _MEMORY) * value
        found.rates.append(self._planned[done - 1])
        found.raw.append(value)
        found.losses.append(self._average / (1 - _MEMORY**done))
        found.diverged = found.losses[-1] > _DIVERGED * abs(min(found.losses))
        if found.diverged or done == len(self._planned):
            raise EnoughError
