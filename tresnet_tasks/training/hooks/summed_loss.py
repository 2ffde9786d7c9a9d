"""A summed loss is the sum over the whole step, however the step is divided."""

from __future__ import annotations

from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook

from ...heads import MultiLabel, SingleLabel
from ...upstream.accumulation import window_batches


class SummedLossHook(Hook):
    """Tells the heads how many batches a step of the optimizer takes the mean of.

    Accumulation and processes both average gradients, which leaves a loss that is a mean as it is
    and divides one that is a sum. ``build_runner`` adds this hook to each run.
    """

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Tell them; the last window of an epoch may be shorter."""
        batches = get_world_size() * window_batches(runner.optim_wrapper)
        for module in runner.model.modules():
            if isinstance(module, (SingleLabel, MultiLabel)):
                module.batches_a_step = batches
