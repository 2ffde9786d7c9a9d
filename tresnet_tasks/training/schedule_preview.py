"""The schedule of a run, drawn before it is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop

from ..reports.learning_rates import draw_schedule
from ..upstream.accumulation import OptimizerStepScheduleHook, accumulated_batches
from .launch import LaunchOptions, work_dir_of
from .trial import trial_runner

_POINTS = 2000  # of a curve, about as many as a picture has columns
_Curves = dict[str, list[float]]


def preview_schedule(cfg: Config, options: LaunchOptions) -> str:
    """Draw learning rates and momentum of all groups over the run; nothing is trained.

    The schedules are those of the run, built in the same way and driven by the same hook. One that
    reacts to scores is drawn as if it never did.

    Args:
        cfg: as read; it is not changed.
        options: of the run to come.

    Returns:
        A few lines: how long the run is, from where to where the rate goes, and where the picture
        is: ``schedule.png`` in the work dir.

    Raises:
        ValueError: for a run with several optimizers.
    """
    with trial_runner(cfg, options, training=False) as runner:
        loop = runner.train_loop
        wrapper = runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        if not hasattr(wrapper, "optimizer"):
            raise ValueError("a schedule is drawn for one optimizer; this run has several.")
        runner.scale_lr(wrapper, runner.auto_scale_lr)
        runner.optim_wrapper = _stand_in(wrapper)
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        epochs = int(runner.max_epochs) if by_epoch else 1
        steps = int(runner.max_steps) // epochs
        if runner.param_schedulers is not None:
            schedules = runner.build_param_scheduler(runner.param_schedulers)
            runner.param_schedulers = schedules
        every = max(1, epochs * steps // _POINTS)
        rates: _Curves = {}
        momenta: _Curves = {}
        positions: list[float] = []
        for step in _steps(runner, epochs, steps):
            if step % every and step != epochs * steps - 1:
                continue
            positions.append(step / steps if by_epoch else step)
            for group in runner.optim_wrapper.optimizer.param_groups[:-1]:
                name = group.get("layer", f"{group['lr_share']:g} x lr")
                rates.setdefault(name, []).append(group["lr"])
                momentum = group.get("momentum", (group.get("betas") or [None])[0])
                if momentum is not None:
                    momenta.setdefault(name, []).append(momentum)
    path = Path(work_dir_of(cfg, options)) / "schedule.png"
    panels = {"learning rate": _distinct(rates), "momentum": _distinct(momenta)}
    panels = {name: curves for name, curves in panels.items() if curves}
    if is_main_process():
        draw_schedule(positions, "epoch" if by_epoch else "step", panels, path, path.parent.name)
    top = max(rates.values(), key=max)
    peak = top.index(max(top))
    where = f"epoch {positions[peak]:.3g}" if by_epoch else f"step {positions[peak]:.0f}"
    return (
        f"{epochs * steps:,} steps"
        + (f" in {epochs} epochs" if by_epoch else "")
        + f"; lr {top[0]:.3g}, at most {top[peak]:.3g} at {where}, in the end {top[-1]:.3g}\n"
        f"picture: {path}"
    )


def _stand_in(wrapper: Any) -> Any:
    """A wrapper whose optimizer has one number for each group that schedules tell apart."""
    own = wrapper.param_groups[-1]["lr"]  # the optimizer's rate, before those of groups
    groups: dict[Any, dict[str, Any]] = {}
    for group in wrapper.optimizer.param_groups:
        settings = {key: value for key, value in group.items() if key != "params"}
        settings["lr_share"] = group["lr"] / own if own else 1.0
        key = tuple(repr(group.get(name)) for name in ("layer", "lr", "momentum", "betas"))
        groups.setdefault(key, {**settings, "params": [_number()]})
    # At last one at the optimizer's own rate, so that there are several and mmengine adds its own.
    parts = [*groups.values(), {"params": [_number()]}]
    optimizer = type(wrapper.optimizer)(parts, lr=own)
    return OptimWrapper(optimizer, accumulative_counts=accumulated_batches(wrapper))


def _number() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(1))


def _steps(runner: Any, epochs: int, steps: int) -> Iterator[int]:
    """The steps of a run, with what its schedules do behind each."""
    hook = OptimizerStepScheduleHook()
    for epoch in range(epochs):
        for step in range(steps):
            yield epoch * steps + step
            if epoch == step == 0:
                runner.optim_wrapper.step()  # schedules warn if they come first
            if runner.param_schedulers:
                hook.after_train_iter(runner, step)
        if runner.param_schedulers:
            hook.after_train_epoch(runner)


def _distinct(curves: _Curves) -> _Curves:
    """The curves that differ, each under the first name that has it."""
    found: _Curves = {}
    for name, values in curves.items():
        if not any(
            all(math.isclose(a, b) for a, b in zip(values, other, strict=True))
            for other in found.values()
        ):
            found[name] = values
    return found
