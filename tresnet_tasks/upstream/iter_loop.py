"""mmengine's iteration-based training loop, going on in the middle of the data.

mmengine 0.10 loads all data again that the run had used, stops for two seconds after each pass over
the data, and validates in the middle of accumulated gradients. Can go when it does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.base_loop import BaseLoop

from .accumulation import accumulated_batches, begin_windows, optimizer_stepped
from .device_copies import copied_ahead
from .loop_position import LoopPosition, batches_from


class ResumableIterLoop(IterBasedTrainLoop):
    """Trains by iterations, from any iteration on; the arguments are mmengine's.

    There are no epochs: windows of accumulation run on from one pass over the data into the next,
    and only the last one of the run may be shorter. A validation that falls into a window waits for
    its end. ``position`` and ``steps`` as in `ResumableEpochLoop`.
    """

    dataloader: Any
    position = LoopPosition()
    _restore: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, runner: Any, dataloader: Any, *args: Any, **kwargs: Any) -> None:
        BaseLoop.__init__(self, runner, dataloader)
        loader = self.dataloader
        # mmengine would start the data workers here, before anybody can say where to go on.
        super().__init__(runner, _NotStarted(loader.dataset), *args, **kwargs)
        self.dataloader = loader

    def resume(self, position: LoopPosition, restore: Callable[[], object]) -> None:
        """Go on from ``position``; ``restore`` sets the generators when training begins."""
        self._iter, self.position, self._restore = position.iter, position, restore

    @property
    def steps(self) -> int:
        """Completed windows of accumulation."""
        return math.ceil(self.position.iter / accumulated_batches(self.runner.optim_wrapper))

    @property
    def max_steps(self) -> int:
        """Windows of the whole run."""
        return math.ceil(int(self._max_iters) / accumulated_batches(self.runner.optim_wrapper))

    def run(self) -> Any:
        """Train."""
        self.runner.call_hook("before_train")
        # To hooks the whole run is one epoch.
        self.runner.call_hook("before_train_epoch")
        self._restore()
        begin_windows(self.runner.optim_wrapper, self._iter, self._max_iters)
        self._validated_at = self._iter
        if not self.position.validated:
            window = accumulated_batches(self.runner.optim_wrapper)
            self._validated_at = max(0, self._iter - window)
            self._validate()
        while self._iter < self._max_iters and not self.stop_training:
            for batch in self._batches():
                self.runner.model.train()
                self.run_iter(batch)
                if optimizer_stepped(self.runner.optim_wrapper):
                    self._validate()
                if self._iter >= self._max_iters or self.stop_training:
                    break
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_iter(self, data_batch: Any) -> None:
        """Train on one (micro-)batch."""
        runner, index = self.runner, self._iter
        runner.call_hook("before_train_iter", batch_idx=index, data_batch=data_batch)
        outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        self.position = LoopPosition(self._epoch, index + 1, validated=False)
        runner.call_hook(
            "after_train_iter", batch_idx=index, data_batch=data_batch, outputs=outputs
        )
        self._iter += 1

    def _batches(self) -> Iterator[Any]:
        """What is left of this pass over the data."""
        if isinstance(self.dataloader.sampler, InfiniteSampler):
            passes, start = 0, self._iter
        else:
            passes, start = divmod(self._iter, len(self.dataloader))
        batches = batches_from(self.dataloader, passes, start)
        device = next(self.runner.model.parameters()).device
        return copied_ahead(batches, self.dataloader, device)

    def _validate(self) -> None:
        """Validate if it is due."""
        self._decide_current_val_interval()
        before, self._validated_at = self._validated_at, self._iter
        passed = self._iter // self.val_interval > before // self.val_interval
        due = self._iter >= self.val_begin and (passed or self._iter == self._max_iters)
        if due and self.runner.val_loop is not None:
            self.runner.val_loop.run()
        self.position = replace(self.position, validated=True)


@dataclass
class _NotStarted:
    dataset: Any

    def __iter__(self) -> Iterator[Any]:
        return iter(())
