"""mmengine's epoch-based training loop, going on in the middle of an epoch.

mmengine 0.10 restarts the epoch that a checkpoint was taken in, and does not make the validation
that was due when a run was killed. Can go when it does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mmengine.runner import EpochBasedTrainLoop

from .accumulation import accumulated_batches, begin_windows
from .device_copies import copied_ahead
from .loop_position import LoopPosition, batches_from


class ResumableEpochLoop(EpochBasedTrainLoop):
    """Trains by epochs, from any iteration on; the arguments are mmengine's.

    Raises:
        ValueError: if the training data do not fill a single batch.

    ``position`` says at each moment, inside hooks too, what is done; ``steps`` how many windows of
    accumulated gradients, that is steps of the optimizer.
    """

    position = LoopPosition()
    _restore: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not len(self.dataloader):
            size, images = self.dataloader.batch_size, len(self.dataloader.dataset)
            raise ValueError(
                f"the training data ({images} images) do not fill one batch of {size}, and an "
                "incomplete one is dropped. Set a smaller train_dataloader.batch_size, or "
                "train_dataloader.drop_last=False."
            )

    def resume(self, position: LoopPosition, restore: Callable[[], object]) -> None:
        """Go on from ``position``; ``restore`` sets the generators when training begins."""
        self._epoch, self._iter = position.epoch, position.iter
        self.position, self._restore = position, restore

    @property
    def steps(self) -> int:
        """Completed windows of accumulation."""
        window = accumulated_batches(self.runner.optim_wrapper)
        an_epoch = math.ceil(len(self.dataloader) / window)
        return self.position.epoch * an_epoch + math.ceil(self.position.batches / window)

    @property
    def max_steps(self) -> int:
        """Windows of the whole run."""
        window = accumulated_batches(self.runner.optim_wrapper)
        return int(self._max_epochs * math.ceil(len(self.dataloader) / window))

    def run(self) -> Any:
        """Train."""
        self.runner.call_hook("before_train")
        self._restore()
        if not self.position.validated:
            self._validate()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate()
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_epoch(self) -> None:
        """Train on what is left of an epoch."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        done = self.position.batches
        begin_windows(self.runner.optim_wrapper, done, len(self.dataloader))
        batches = batches_from(self.dataloader, self._epoch, done)
        device = next(self.runner.model.parameters()).device
        batches = copied_ahead(batches, self.dataloader, device)
        for index, batch in enumerate(batches, done):
            self.run_iter(index, batch)
        self.position = LoopPosition(self._epoch + 1, self._iter, validated=False)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Train on one (micro-)batch."""
        runner = self.runner
        runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        self.position = LoopPosition(self._epoch, self._iter + 1, idx + 1)
        runner.call_hook("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def _validate(self) -> None:
        """Validate if it is due."""
        self._decide_current_val_interval()
        last = self._epoch == self._max_epochs
        due = self._epoch >= self.val_begin and (last or self._epoch % self.val_interval == 0)
        if due and self.runner.val_loop is not None:
            self.runner.val_loop.run()
        self.position = replace(self.position, validated=True)
