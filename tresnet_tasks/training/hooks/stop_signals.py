"""Ending a run from outside, with a checkpoint of its last step."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from mmengine.dist import is_distributed, is_main_process
from mmengine.hooks import Hook
from mmengine.runner.base_loop import BaseLoop

from tresnet_tasks.registry import HOOKS
from tresnet_tasks.upstream.accumulation import optimizer_stepped

from ..rank_flag import RankFlag
from .save_checkpoint import SaveCheckpointHook

EXIT_TO_RESUME = 75  # EX_TEMPFAIL of sysexits.h: try again later
EXIT_INTERRUPTED = 130  # what shells give for Ctrl-C


class RunStopped(SystemExit):
    """A signal ended the run; ``code`` is the exit status."""


@HOOKS.register_module()
class StopSignalsHook(Hook):
    """On SIGTERM, SIGUSR1 or Ctrl-C finishes the step, saves a checkpoint and exits.

    The exit status is 75 ("try again later"), by which a scheduler's script can tell that the run
    is to be queued again with ``--resume``; 130 after Ctrl-C. A second Ctrl-C ends the run at once.
    The ranks of a distributed run stop after the same step, whichever of them gets the signal.
    Accumulated gradients are brought to their step of the optimizer. A signal that comes in a
    validation ends it, which a resumed run makes again; in a distributed run it waits for the step
    after it.

    Signals are caught while training runs in the main thread of its process.

    Args:
        signals: names of the signals; those that the system does not have are left out.

    Raises:
        ValueError: if a name is no signal's; in training a `RunStopped`.
    """

    # After the average, the schedules and a checkpoint that is due anyway.
    priority = "LOWEST"

    def __init__(self, signals: Sequence[str] = ("SIGTERM", "SIGUSR1", "SIGINT")) -> None:
        if isinstance(signals, str) or not all(name.startswith("SIG") for name in signals):
            raise ValueError(
                f"StopSignalsHook got signals={signals!r}; expected a list of names such as "
                "'SIGTERM'"
            )
        self.signals = [getattr(signal, name) for name in signals if hasattr(signal, name)]
        self._asked = 0
        self._previous: dict[int, Any] = {}

    def before_train(self, runner: Any) -> None:
        """Catch the signals from now on."""
        self._asked, self._flag, self._process = 0, RankFlag(), os.getpid()
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in self.signals}

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop, if any rank was asked to."""
        if optimizer_stepped(runner.optim_wrapper):
            self._stop_if(self._flag.highest(self._asked), runner, runner.iter + 1)

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop, if asked to: what training has done so far is complete."""
        # Ranks may have different numbers of validation batches, and so cannot ask each other.
        if isinstance(runner._train_loop, BaseLoop) and not is_distributed():
            self._stop_if(self._asked, runner, runner.iter)

    def after_train(self, runner: Any) -> None:
        """Leave the signals as they were."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def after_failure(self, runner: Any) -> None:
        """Leave the signals as they were; after Ctrl-C say what is left of the run."""
        self.after_train(runner)
        if isinstance(sys.exc_info()[1], KeyboardInterrupt) and is_main_process():
            files = Path(runner.work_dir).glob("*.pth")
            newest = max(files, key=lambda path: path.stat().st_mtime, default=None)
            kept = f"{newest} is kept; go on with --resume" if newest else "no checkpoint is kept"
            runner.logger.warning(f"interrupted in iteration {runner.iter + 1}: {kept}")

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a child process that was forked meanwhile
            return
        if number == self._asked == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = self._asked or number
        again = " (Ctrl-C again: at once)" if number == signal.SIGINT else ""
        # Not print: the signal may have come in the middle of one.
        told = f"\n{signal.Signals(number).name}: finishing this step{again}\n"
        os.write(2, told.encode())

    def _stop_if(self, asked: int, runner: Any, iteration: int) -> None:
        if not asked:
            return
        saving = [hook for hook in runner.hooks if isinstance(hook, SaveCheckpointHook)]
        path = (saving or [SaveCheckpointHook()])[0].save(runner, background=False)
        self._flag.highest(0)  # no rank goes before the checkpoint is complete
        code = EXIT_INTERRUPTED if asked == signal.SIGINT else EXIT_TO_RESUME
        runner.logger.warning(
            f"{signal.Signals(asked).name}: stopped after iteration {iteration}, saved as {path}. "
            f"Go on with --resume. Exit status {code}."
        )
        raise RunStopped(code)
