"""How far training is, how fast and how well: bars or lines, and scalars for TensorBoard."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Any

import numpy as np
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.base_loop import BaseLoop
from torch import Tensor

from tresnet_tasks.metrics.class_details import is_class_detail
from tresnet_tasks.registry import HOOKS

from .progress_bars import ProgressBars


@HOOKS.register_module()
class ProgressHook(Hook):
    """Reports training and validation; stands in for mmengine's LoggerHook (``default_hooks`` slot
    ``logger``).

    On a terminal: a bar for each epoch of training, validation or test, and a line when it is done.
    Elsewhere::

        epoch 3/20 [ 40/156] loss 0.4213 lr 0.041 1530 img/s eta 0:01:12
        epoch 3/20 val accuracy/top1 0.9130 accuracy/top5 0.9961 (4.2 s)

    All lines go to the log file. The visualizer gets the training scalars by iteration and the
    validation's numbers by epoch (by iteration in an iteration-based run). The ETA is for training
    steps; img/s counts all ranks.

    Args:
        interval: iterations between lines and between points of the scalars.
        bars: whether to draw bars; None: if standard output is a terminal.

    Raises:
        ValueError: if ``interval`` is less than 1.
    """

    priority = "BELOW_NORMAL"

    def __init__(self, interval: int = 10, bars: bool | None = None) -> None:
        if interval < 1:
            raise ValueError(f"ProgressHook got interval={interval}; expected 1 or more")
        self.interval = interval
        self.bars = bars
        self._bars: ProgressBars | None = None
        self._by_epoch = True

    def before_run(self, runner: Any) -> None:
        """Decide between bars and lines."""
        bars = sys.stdout.isatty() if self.bars is None else self.bars
        self._bars = ProgressBars() if bars and is_main_process() else None

    def before_train(self, runner: Any) -> None:
        """Start the clock of the ETA."""
        self._run_seconds, self._run_iters = 0.0, 0

    def before_train_epoch(self, runner: Any) -> None:
        """Start the epoch's bar and clock."""
        self._by_epoch = not isinstance(runner.train_loop, IterBasedTrainLoop)
        self._window_seconds, self._window_images = 0.0, 0
        self._start("train", self._training(runner), self._length(runner))
        if self._bars and not self._by_epoch:
            self._bars.update("train", runner.iter, "")
        self._tick = time.perf_counter()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count, and report each ``interval`` iterations and at the end of the epoch."""
        now = time.perf_counter()
        self._window_seconds += now - self._tick
        self._run_seconds += now - self._tick
        self._run_iters += 1
        self._window_images += _batch_size(data_batch) * get_world_size()
        self._tick = now
        done = batch_idx + 1 if self._by_epoch else runner.iter + 1
        last = done == self._length(runner)
        if done % self.interval and not last:
            if self._bars:
                self._bars.update("train", done)
            return
        scalars, _ = runner.log_processor.get_log_after_iter(runner, batch_idx, "train")
        speed = self._window_images / max(self._window_seconds, 1e-9)
        self._window_seconds, self._window_images = 0.0, 0
        status = f"{_training_text(scalars)} {speed:.{0 if speed >= 10 else 1}f} img/s"
        left = (runner.max_iters - runner.iter - 1) * self._run_seconds / self._run_iters
        eta = f"eta {timedelta(seconds=round(left))}"
        total = str(self._length(runner))
        line = f"{self._training(runner)} [{done:>{len(total)}}/{total}] {status} {eta}"
        # With bars only the last line of an epoch stays on the screen.
        runner.logger.info(line, extra={"file_only": self._bars is not None and not last})
        if self._bars:
            self._bars.update("train", done, f"{status} {eta}")
        runner.visualizer.add_scalars({**scalars, "img_per_s": speed}, step=runner.iter + 1)

    def after_train_epoch(self, runner: Any) -> None:
        """Take the bar away."""
        self._stop("train")

    def before_val_epoch(self, runner: Any) -> None:
        """Start the validation's bar."""
        self._start("val", "validation", len(runner.val_dataloader))

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Advance the bar."""
        if self._bars:
            self._bars.update("val", batch_idx + 1)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Report the validation's numbers."""
        numbers = _numbers(metrics)
        training = isinstance(runner._train_loop, BaseLoop)
        where = f"{self._done(runner)} val" if training else "val"
        self._report(runner, "val", where, numbers)
        if training and numbers:
            step = runner.epoch if self._by_epoch else runner.iter
            runner.visualizer.add_scalars(numbers, step=step)
        self._tick = time.perf_counter()  # validation inside an iteration-based epoch

    def before_test_epoch(self, runner: Any) -> None:
        """Start the test's bar."""
        self._start("test", "test", len(runner.test_dataloader))

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Advance the bar."""
        if self._bars:
            self._bars.update("test", batch_idx + 1)

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Report the test's numbers."""
        self._report(runner, "test", "test", _numbers(metrics))

    def after_run(self, runner: Any) -> None:
        """Give the terminal back."""
        if self._bars:
            self._bars.close()

    def after_failure(self, runner: Any) -> None:
        """Give the terminal back when the run ends with an error (called by `TaskRunner`)."""
        self.after_run(runner)

    def _start(self, name: str, text: str, total: int) -> None:
        self._began = time.perf_counter()
        if self._bars:
            self._bars.start(name, text, total)

    def _stop(self, name: str) -> None:
        if self._bars:
            self._bars.stop(name)

    def _report(self, runner: Any, name: str, where: str, numbers: dict[str, float]) -> None:
        self._stop(name)
        seconds = time.perf_counter() - self._began
        parts = [
            f"{key} {_number(value)}"
            for key, value in numbers.items()
            if not is_class_detail(key, numbers)
        ] or ["no metrics"]
        runner.logger.info(f"{where} {' '.join(parts)} ({seconds:.1f} s)")

    def _training(self, runner: Any) -> str:
        """What is being trained now."""
        return f"epoch {runner.epoch + 1}/{runner.max_epochs}" if self._by_epoch else "iter"

    def _done(self, runner: Any) -> str:
        """What of the training is done when a validation ends."""
        if self._by_epoch:
            return f"epoch {runner.epoch}/{runner.max_epochs}"
        return f"iter {runner.iter}/{runner.max_iters}"

    def _length(self, runner: Any) -> int:
        return len(runner.train_dataloader) if self._by_epoch else int(runner.max_iters)


def _training_text(scalars: dict[str, Any]) -> str:
    """``loss 0.4213 lr 0.041``, with parts of the loss and the gradient's norm if there are."""
    named = {key.removeprefix("train/"): value for key, value in scalars.items()}
    losses = [key for key in named if "loss" in key and key != "loss"]
    shown = [key for key in ("loss", *losses, "grad_norm") if key in named]
    if losses == ["loss_cls"] or not losses:  # one part is the whole
        shown = [key for key in shown if key not in losses]
    parts = [f"{key} {float(named[key]):.4f}" for key in shown]
    rate = named.get("base_lr", named.get("lr"))  # 'lr' is that of the first group of several
    return " ".join([*parts, *([f"lr {rate:.3g}"] if rate is not None else [])])


def _numbers(metrics: dict[str, Any] | None) -> dict[str, float]:
    """Those metrics that are single numbers."""
    found = {}
    for key, value in (metrics or {}).items():
        if isinstance(value, (int, float, np.number)):
            found[key] = float(value)
        elif isinstance(value, Tensor) and value.numel() == 1:
            found[key] = value.item()
    return found


def _number(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() and abs(value) >= 2 else f"{value:.4f}"


def _batch_size(batch: Any) -> int:
    """Images in a batch: the length of its ``inputs``, or of whatever comes first in it."""
    if isinstance(batch, dict):
        return _batch_size(batch.get("inputs", next(iter(batch.values()), None)))
    if isinstance(batch, (list, tuple)) and batch and isinstance(batch[0], Tensor):
        # A list of (C, H, W) images of different sizes, or a tuple of stacked tensors.
        return len(batch) if batch[0].ndim == 3 else len(batch[0])
    return len(batch) if hasattr(batch, "__len__") else 0
