"""mmengine's Runner with checkpoints that are data: nothing in one is ever executed, none is ever
half written, and a run that goes on from one equals the undisturbed run.

Needed with mmengine up to 0.10.7 (the newest). `SavingRunner` and `ResumingRunner` say what of it
they repair; here:

* two runners of one process that start in the same second get one logger and one message hub;
* iteration-based schedules step at each micro-batch of accumulated gradients.

Can go, one override at a time, when mmengine does these things itself.
"""

from __future__ import annotations

import itertools
import logging
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.dist import master_only
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner.base_loop import BaseLoop

from .accumulation import OptimizerStepScheduleHook, accumulated_batches
from .console import use_console_handler
from .epoch_loop import ResumableEpochLoop
from .iter_loop import ResumableIterLoop
from .learning_rates import in_proportion, scaled_learning_rates
from .resuming_runner import ResumingRunner
from .sharded_state import is_sharded
from .watched_loader import deaths_ignored, explained, watched

_RUNS = itertools.count(1)
# mmengine's warning of a resumed run whose iterations are no multiple of the accumulation: its
# windows would have lost gradients, ours start with the epoch.
_NOT_OURS = "Resumed iteration number is not divisible"
_MMENGINE_HOOKS = (
    *("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint"),
)
_LOOPS: dict[Any, Any] = {
    "EpochBasedTrainLoop": ResumableEpochLoop,
    "IterBasedTrainLoop": ResumableIterLoop,
}


class TaskRunner(ResumingRunner):
    """mmengine's Runner, safe against what a checkpoint holds and against being killed.

    ``resume`` and ``load_checkpoint`` read through `read_checkpoint` (``weights_only`` and an exact
    allow-list); ``save_checkpoint`` writes atomically, with the resolved config, class names, seed,
    versions and git commit as plain data in ``meta``. ``resume=True`` without ``load_from`` goes on
    from the newest good checkpoint of ``work_dir``. The same record is written to
    ``work_dir/run.json``.

    Args:
        model: as in mmengine.
        work_dir: folder for everything that the run writes; made if missing.
        **kwargs: everything else that mmengine's Runner takes, by name.

    Raises:
        OSError: a `PermissionError` or its like, before anything is built, if ``work_dir`` cannot
            be written.
    """

    optim_wrapper: Any
    param_schedulers: Any

    def __init__(self, model: Any, work_dir: str | Path, **kwargs: Any) -> None:
        _require_writable(Path(work_dir))
        run = next(_RUNS)
        name = kwargs.get("experiment_name") or _stem(kwargs.get("cfg"))
        kwargs["experiment_name"] = name if run == 1 else f"{name}_{run}"
        super().__init__(model=model, work_dir=str(work_dir), **kwargs)

    def build_logger(self, *args: Any, **kwargs: Any) -> logging.Logger:
        """Build mmengine's logger: the file gets all, the console what `ConsoleHandler` lets by."""
        logger: logging.Logger = super().build_logger(*args, **kwargs)
        use_console_handler(logger)
        logger.addFilter(lambda record: _NOT_OURS not in record.getMessage())
        return logger

    @staticmethod
    def build_dataloader(*args: Any, **kwargs: Any) -> Any:
        """Build mmengine's data loader, as a `WatchedLoader`."""
        return watched(ResumingRunner.build_dataloader(*args, **kwargs))

    def build_train_loop(self, loop: Any) -> Any:
        """Build mmengine's training loops in their resumable form, any other as it is."""
        kind = None
        if isinstance(loop, dict):
            default = "EpochBasedTrainLoop" if loop.get("by_epoch") else "IterBasedTrainLoop"
            kind = _LOOPS.get(loop.get("type", default))
        if kind is None:
            return super().build_train_loop(loop)
        arguments = {k: v for k, v in loop.items() if k not in ("type", "by_epoch")}
        return kind(runner=self, dataloader=self._train_dataloader, **arguments)

    def register_default_hooks(self, hooks: dict[str, Any] | None = None) -> None:
        """Register mmengine's default hooks, with schedules that step with the optimizer.

        None leaves a hook out; mmengine takes it for its own alone.
        """
        hooks = {"param_scheduler": {"type": "ParamSchedulerHook"}, **(hooks or {})}
        if hooks["param_scheduler"] == {"type": "ParamSchedulerHook"}:
            hooks["param_scheduler"] = OptimizerStepScheduleHook()
        given = {k: v for k, v in hooks.items() if v is not None or k in _MMENGINE_HOOKS}
        super().register_default_hooks(given)

    def _build_param_scheduler(self, scheduler: Any, optim_wrapper: Any) -> list[Any]:
        """Build the schedules of one optimizer; iteration-based ones count its steps."""
        built = []
        window = accumulated_batches(optim_wrapper)
        for settings in scheduler if isinstance(scheduler, list | tuple) else [scheduler]:
            if not isinstance(settings, dict):
                built.append(settings)
                continue
            settings = in_proportion(settings, optim_wrapper)
            by_epoch = settings.get("by_epoch", True)
            end = self.max_epochs if by_epoch else self.max_steps
            length = math.ceil(len(self.train_dataloader) / window)
            default = {"optimizer": optim_wrapper, "epoch_length": length}
            built.append(PARAM_SCHEDULERS.build({"end": end, **settings}, default_args=default))
        return built

    def scale_lr(self, optim_wrapper: Any, auto_scale_lr: dict[str, Any] | None = None) -> None:
        """Scale the learning rates, if asked to, and say what a step is made of."""
        loader = self._loader_record()
        self.param_schedulers, told = scaled_learning_rates(
            optim_wrapper, self.param_schedulers, loader, auto_scale_lr or {}
        )
        self.logger.info(told)

    def _init_model_weights(self) -> None:
        """Initialise the model; one that is split over the processes was, while it was whole."""
        if not is_sharded(self.model):
            super()._init_model_weights()

    @property
    def max_steps(self) -> int:
        """Steps of the optimizer in the whole run."""
        loop = self.train_loop
        return int(getattr(loop, "max_steps", loop.max_iters))

    def train(self) -> Any:
        """Train; on an error, hooks that have a method ``after_failure(runner)`` are called."""
        with self._failure_told():
            return super().train()

    def val(self) -> Any:
        """Validate; errors as in `train`."""
        with self._failure_told():
            return super().val()

    def test(self) -> Any:
        """Test; errors as in `train`."""
        with self._failure_told():
            return super().test()

    @contextmanager
    def _failure_told(self) -> Iterator[None]:
        try:
            yield
            self.writer.wait()
        except BaseException as failure:  # an interrupt from the keyboard too
            with deaths_ignored():
                try:
                    self.writer.wait()
                except Exception as error:
                    self.logger.warning(f"a checkpoint could not be written: {error}")
                self.call_hook("after_failure")
                told = explained(failure, self._loaders())
            if told is not None:
                raise told from failure
            raise

    def _loaders(self) -> list[tuple[str, Any]]:
        """The data loaders that have been built, by their names in the config."""
        loops = {"train": self._train_loop, "val": self._val_loop, "test": self._test_loop}
        return [
            (f"{split}_dataloader", loop.dataloader)
            for split, loop in loops.items()
            if isinstance(loop, BaseLoop)
        ]

    @master_only
    def dump_config(self) -> None:
        """Write the resolved config, as Python text, and ``run.json`` to the work dir."""
        source = self.cfg.filename
        target = Path(self.work_dir) / Path(source or "").name
        # A work dir that is the config's own folder: the user's file is not to be replaced by the
        # resolved one.
        if not source or not target.exists() or target.resolve() != Path(source).resolve():
            super().dump_config()
        self._write_record()


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(
            f"cannot write into the work dir {folder}: {error.strerror or error}. "
            "Choose a folder that you may write to with --work-dir."
        ) from error


def _stem(cfg: Any) -> str:
    filename = getattr(cfg, "filename", None)
    return Path(filename).stem if filename else "run"
