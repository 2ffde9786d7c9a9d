"""One batch through everything that a run will do, before hours are spent on it."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from .launch import LaunchOptions, build_runner, prepare_config


def dry_run(cfg: Config, options: LaunchOptions) -> dict[str, float]:
    """Train on one batch, validate on one, write a checkpoint, resume from it and train on another.

    Nothing is left behind: the work dir is a temporary one.

    Args:
        cfg: as read; it is not changed.
        options: of the run to come.

    Returns:
        ``step_seconds`` (of the second, warmed-up step), ``checkpoint_mib`` and ``memory_mib`` (peak allocated on the
        device; on the CPU the peak resident size of the process).
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory(prefix="dry_run_") as folder:
        first = replace(options, work_dir=folder, resume=False)
        _run(prepare_config(copy.deepcopy(cfg), first), first, epochs=1)
        checkpoint = Path(folder) / "epoch_1.pth"
        again = replace(first, resume=str(checkpoint))
        seconds = _run(prepare_config(copy.deepcopy(cfg), again), again, epochs=2)
        size = checkpoint.stat().st_size / 2**20
    return {"step_seconds": seconds, "checkpoint_mib": size, "memory_mib": _peak_memory()}


def _run(cfg: Config, options: LaunchOptions, epochs: int) -> float:
    """Run to the end of epoch ``epochs``, each epoch and each validation being one batch; returns the run's seconds a step."""
    cfg.train_cfg = {"by_epoch": True, "max_epochs": epochs, "val_interval": 1}
    cfg.default_hooks["checkpoint"] = {"type": "SaveCheckpointHook", "interval": 1}
    cfg.visualizer = {"type": "Visualizer"}
    for name in ("train_dataloader", "val_dataloader"):
        if cfg.get(name) is not None:
            cfg[name]["num_workers"] = 0
            for key in ("persistent_workers", "prefetch_factor", "timeout"):
                cfg[name].pop(key, None)
    runner = build_runner(cfg, options)
    runner._train_dataloader = _OneBatch(runner.build_dataloader(cfg.train_dataloader))
    if cfg.get("val_dataloader") is not None:
        runner._val_dataloader = _OneBatch(runner.build_dataloader(cfg.val_dataloader))
    start = time.perf_counter()
    runner.train()
    return time.perf_counter() - start


class _OneBatch:
    """A data loader cut off after its first batch; everything else is the loader's own."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Any]:
        return islice(self._loader, 1)

    def __len__(self) -> int:
        return 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _peak_memory() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
