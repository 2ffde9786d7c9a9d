"""Short runs that look at something and leave nothing behind."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list
from mmengine.hooks import Hook

from .launch import LaunchOptions, build_runner, prepare_config, run_training
from .processes import join_processes

# They average, stop, or act on validations; the others shape what a training step is.
_LEFT_OUT = {"ModelEMAHook", "EMAHook", "SWAHook", "EarlyStopHook", "EarlyStoppingHook"}
_SILENT = (
    *("logger", "checkpoint", "report", "split_check", "non_finite_loss", "unreadable_images"),
    *("class_counts", "thresholds"),
)
_NO_END = 10**6


class EnoughError(Exception):
    """Raised by the hook of a trial that has seen enough."""


@contextmanager
def trial_runner(cfg: Config, options: LaunchOptions, *, training: bool = True) -> Iterator[Any]:
    """A runner of a config without validation, checkpoints and records, in a temporary work dir.

    Args:
        cfg: as read; it is not changed.
        options: of the run to come.
        training: whether it is for steps of training: without schedules, without an end. Otherwise
            both are the config's.
    """
    seed = (cfg.get("randomness") or {}).get("seed") if options.seed is None else options.seed
    cfg = copy.deepcopy(cfg)
    for split in ("val", "test"):
        for part in ("dataloader", "evaluator", "cfg"):
            cfg[f"{split}_{part}"] = None
    if training:
        cfg.param_scheduler = None
        cfg.train_cfg = {"by_epoch": True, "max_epochs": _NO_END}
    cfg.default_hooks = {**(cfg.get("default_hooks") or {}), **dict.fromkeys(_SILENT)}
    hooks = cfg.get("custom_hooks") or []
    cfg.custom_hooks = [hook for hook in hooks if hook.get("type") not in _LEFT_OUT]
    cfg.visualizer = {"type": "Visualizer"}
    cfg.log_level = "WARNING"
    join_processes(cfg, options.launcher, options)
    with tempfile.TemporaryDirectory(prefix="trial_", ignore_cleanup_errors=True) as own:
        folder = [own]
        broadcast_object_list(folder)  # all processes must have been given the same
        trial = replace(options, work_dir=folder[0], resume=False, seed=seed or 0)
        cfg.resume = False
        cfg = prepare_config(cfg, trial)
        runner = build_runner(cfg, trial)
        try:
            yield runner
        finally:
            if runner.work_dir_lock is not None:
                runner.work_dir_lock.release()
        barrier()  # before the folder goes


def run_trial(cfg: Config, options: LaunchOptions, hook: Hook) -> None:
    """Train until ``hook`` raises `EnoughError`.

    Args:
        cfg: as read; it is not changed.
        options: of the run to come.
        hook: looks at the steps.
    """
    with trial_runner(cfg, options) as runner:
        runner.register_hook(hook)
        with suppress(EnoughError):
            run_training(runner)
