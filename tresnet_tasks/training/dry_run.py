"""One batch through everything that a run will do, before hours are spent on it."""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice, repeat
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, get_world_size
from mmengine.hooks import Hook

from .launch import LaunchOptions, build_runner, prepare_config, run_training
from .processes import join_processes
from .schedule_completion import schedules_of

_MOST_STEPS = 6  # that are timed, the first of them as a warm-up
_NO_END = int(1e9)  # mmengine's
_MOST_SECONDS = 20.0  # after which a slow machine has shown enough


@dataclass(frozen=True)
class DryRun:
    """What a dry run found.

    Attributes:
        step_seconds: of one training step, the mean of some after a warm-up; neither loading of data nor validation
            is in it.
        batch_size: images of all processes in such a step.
        steps: training steps of the whole run.
        memory_mib: peak allocated on the GPU; on the CPU the peak resident size of the process.
        checkpoint_mib: size of a checkpoint.
    """

    step_seconds: float
    batch_size: int
    steps: int
    memory_mib: float
    checkpoint_mib: float

    def __str__(self) -> str:
        """What a user wants to know."""
        whole = timedelta(seconds=round(self.step_seconds * self.steps))
        return (
            "dry run: training, validation, checkpoint and resume work\n"
            f"{self.step_seconds:.3g} s a step ({self.batch_size / self.step_seconds:.3g} img/s); {self.steps:,} steps "
            f"take {whole}, if data arrive in time, and validation comes on top\n"
            f"{self.memory_mib:,.0f} MiB at the peak, checkpoints of {self.checkpoint_mib:,.1f} MiB"
        )


def dry_run(cfg: Config, options: LaunchOptions) -> DryRun:
    """Train on one batch, validate on one, write a checkpoint, resume from it and time some steps more.

    Nothing is left behind: the work dir is a temporary one.

    Args:
        cfg: as read; it is not changed.
        options: of the run to come.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    join_processes(cfg, options.launcher, options)
    with tempfile.TemporaryDirectory(prefix="dry_run_", ignore_cleanup_errors=True) as own:
        shared = [own]
        broadcast_object_list(shared)  # all processes must have been given the same
        folder = shared[0]
        seed = (cfg.get("randomness") or {}).get("seed") if options.seed is None else options.seed
        first = replace(options, work_dir=folder, resume=False, seed=seed or 0)
        # As many batches as make a step of the optimizer: a checkpoint belongs behind one.
        window = (cfg.get("optim_wrapper") or {}).get("accumulative_counts", 1)
        clock, loader = _run(cfg, first, steps=window)
        written = [str(Path(folder) / "epoch_1.pth")]
        broadcast_object_list(written)  # only the first process writes
        checkpoint = Path(written[0])
        steps = _steps_of_whole_run(cfg, loader.full_length)
        again = replace(first, resume=str(checkpoint))
        # A schedule refuses steps beyond the last one, and one has been made.
        resumed, _ = _run(cfg, again, steps=max(0, min(_MOST_STEPS, steps - window)))
        size = checkpoint.stat().st_size
        barrier()  # before the folder goes
        return DryRun(
            step_seconds=mean(resumed.seconds[1:] or resumed.seconds or clock.seconds),
            batch_size=clock.batch_size * get_world_size(),
            steps=steps,
            memory_mib=peak_memory(),
            checkpoint_mib=size / 2**20,
        )


def _run(cfg: Config, options: LaunchOptions, steps: int) -> tuple[_Clock, _OneBatch]:
    """Run one epoch of one batch, or if resumed ``steps`` steps; returns the clock and the training data."""
    cfg = prepare_config(copy.deepcopy(cfg), options)
    cfg.resume = bool(options.resume)
    for schedule in schedules_of(cfg.get("param_scheduler")):
        # Otherwise it would end with the short run, which may be before it begins.
        last = cfg.train_cfg.get("max_epochs") if schedule.get("by_epoch", True) else None
        schedule.setdefault("end", last or _NO_END)
    # Hooks may ask how long the run is. A second epoch, which does not come to its end, lets the
    # resumed run have the same settings.
    epochs = max(2, cfg.train_cfg.get("max_epochs") or _NO_END)
    cfg.train_cfg = {"by_epoch": True, "max_epochs": epochs, "val_interval": 1}
    hooks = dict(cfg.get("default_hooks") or {})
    checkpoint = {"type": "SaveCheckpointHook", **(hooks.get("checkpoint") or {})}
    hooks["checkpoint"] = {**checkpoint, "interval": 1, "by": "epoch"}
    hooks["logger"] = None
    cfg.default_hooks = hooks
    cfg.visualizer = {"type": "Visualizer"}
    cfg.log_level = "WARNING"
    for name in ("train_dataloader", "val_dataloader"):
        if cfg.get(name) is not None:
            cfg[name]["num_workers"] = 0
            for key in ("persistent_workers", "prefetch_factor", "timeout"):
                cfg[name].pop(key, None)
    runner = build_runner(cfg, options)
    data = _OneBatch(runner.build_dataloader(cfg.train_dataloader), steps)
    runner._train_dataloader = data
    if cfg.get("val_dataloader") is not None:
        runner._val_dataloader = _OneBatch(runner.build_dataloader(cfg.val_dataloader), 1)
    clock = _Clock(steps)
    runner.register_hook(clock)
    with suppress(_Enough):
        run_training(runner)
    return clock, data


def _steps_of_whole_run(cfg: Config, steps_an_epoch: int) -> int:
    loop = cfg.train_cfg
    if loop.get("max_iters") is not None:
        return int(loop["max_iters"])
    return int(loop["max_epochs"]) * steps_an_epoch


class _OneBatch:
    """A data loader that gives its first batch over and over; everything else is the loader's own."""

    def __init__(self, loader: Any, times: int) -> None:
        self._loader = loader
        self._times = times
        self.full_length = len(loader)

    def __iter__(self) -> Iterator[Any]:
        for batch in islice(self._loader, 1):
            yield from repeat(batch, max(self._times, 1))

    def __len__(self) -> int:
        return self.full_length  # schedules are made for it

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class _Enough(Exception):
    """The clock has seen enough steps."""


class _Clock(Hook):
    """Times training steps, the work of other hooks included, and ends the run when it has seen enough.

    Args:
        most: steps of a resumed run; a new one ends with its first epoch.
    """

    # After all other hooks: what they do in a step counts.
    priority = "LOWEST"

    def __init__(self, most: int) -> None:
        self.most = most
        self.seconds: list[float] = []
        self.batch_size = 0

    def before_train_epoch(self, runner: Any) -> None:
        """End a new run after its first epoch, and a resumed one of which nothing is to be timed."""
        if runner.epoch > 0 and (self.seconds or self.most < 1):
            raise _Enough

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Start."""
        self.batch_size = len(data_batch["inputs"])
        self._start = _now()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop."""
        self.seconds.append(_now() - self._start)
        enough = [len(self.seconds) >= self.most or sum(self.seconds) > _MOST_SECONDS]
        broadcast_object_list(enough)  # a process that goes on alone would wait for the others
        if runner.epoch > 0 and enough[0]:
            raise _Enough


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # a step has only been queued
    return time.perf_counter()


def peak_memory() -> float:
    """The most that was allocated on the GPU or, without one, resident in memory; in MiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
