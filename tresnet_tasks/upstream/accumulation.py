"""Accumulated gradients: what an optimizer step is made of, and what steps with the optimizer.

mmengine 0.10 lets the windows of accumulation run on from one epoch into the next, so that where a
step falls depends on the epochs before, and steps iteration-based schedules at each micro-batch.
Here windows start with the epoch: the last one of an epoch may be shorter, and the optimizer then
steps with the mean of its micro-batches. Can go when mmengine does likewise.
"""

from __future__ import annotations

from typing import Any

from mmengine.hooks import ParamSchedulerHook
from mmengine.optim import OptimWrapperDict


def begin_windows(optim_wrapper: Any, done: int, total: int) -> None:
    """Start counting micro-batches: ``done`` of the ``total`` of this epoch are behind us."""
    for wrapper in _wrappers(optim_wrapper):
        wrapper._inner_count = done
        wrapper._max_counts = total
        wrapper._remainder_counts = total % wrapper._accumulative_counts


def optimizer_stepped(optim_wrapper: Any) -> bool:
    """Whether the iteration that has just been made ended with a step of the optimizer.

    True too where a gradient scaler left the step out because of an overflow: the window is over.
    """
    return all(wrapper.should_update() for wrapper in _wrappers(optim_wrapper))


def accumulated_batches(optim_wrapper: Any) -> int:
    """How many micro-batches make an optimizer step; of several optimizers the most."""
    counts = [getattr(wrapper, "_accumulative_counts", 1) for wrapper in _wrappers(optim_wrapper)]
    return max(counts, default=1)


def window_batches(optim_wrapper: Any) -> int:
    """How many micro-batches the step takes the mean of that the next one belongs to."""
    return max((_window(wrapper) for wrapper in _wrappers(optim_wrapper)), default=1)


def _window(wrapper: Any) -> int:
    count: int = getattr(wrapper, "_accumulative_counts", 1)
    if count == 1 or wrapper._max_counts == -1:
        return count
    in_last = wrapper._inner_count >= wrapper._max_counts - wrapper._remainder_counts
    return int(wrapper._remainder_counts) if in_last else count


def _wrappers(optim_wrapper: Any) -> list[Any]:
    if isinstance(optim_wrapper, OptimWrapperDict):
        return list(optim_wrapper.values())
    return [optim_wrapper]


class OptimizerStepScheduleHook(ParamSchedulerHook):
    """mmengine's hook, but iteration-based schedules step once an optimizer step.

    The numbers of such a schedule (``T_max``, ``begin``, ``end``, ``total_steps``) count optimizer
    steps.
    """

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Step them, if the optimizer's window is over."""
        if optimizer_stepped(runner.optim_wrapper):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
