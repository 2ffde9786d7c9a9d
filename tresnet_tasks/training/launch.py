"""From the name of a config to a runner that is ready to go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from ..config_paths import find_config
from ..registry import RUNNERS
from ..upstream.checkpoints import read_checkpoint
from ..upstream.resume_point import newest_checkpoint
from ..weights import load_weights
from .checks import check_config
from .completion import complete_config

_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


@dataclass(frozen=True)
class LaunchOptions:
    """What the command line decides about a run.

    Attributes:
        work_dir: where the run writes; None for the config's own or ``work_dirs/NAME``.
        resume: True for the newest good checkpoint of the work dir, or the path of one; False for a new run.
        amp: ``off``, ``bf16`` or ``fp16``; None for what the config says.
        compile: whether to compile the backbone with ``torch.compile``.
        channels_last: whether weights and images are in the channels_last memory format.
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``, as mmengine's.
        seed: of everything random; None for the config's, or a drawn one.
    """

    work_dir: str | None = None
    resume: bool | str = False
    amp: str | None = None
    compile: bool = False
    channels_last: bool = False
    launcher: str = "none"
    seed: int | None = None


def load_config(name: str, overrides: Sequence[str] = ()) -> Config:
    """Read a config by path or name.

    Args:
        name: a path, or a name such as ``cls/tresnet_m_imagenet``.
        overrides: ``key=value`` words, such as ``train_cfg.max_epochs=3``.

    Raises:
        FileNotFoundError: if there is no such config.
        ValueError: if an override is no ``key=value``.
    """
    cfg = Config.fromfile(find_config(name))
    if overrides:
        cfg.merge_from_dict(_parse_overrides(overrides))
    return cfg


def prepare_config(
    cfg: Config, options: LaunchOptions, classes: Sequence[str] | None = None
) -> Config:
    """Check a config, apply the options and complete it, in place.

    Args:
        cfg: as read.
        options: from the command line.
        classes: class names that a checkpoint was trained with.

    Raises:
        ValueError: for a contradiction or an unknown key; see :func:`check_config` and :func:`complete_config`.
    """
    if cfg.get("work_dir") is None or options.work_dir is not None:
        name = Path(cfg.filename or "run").stem
        cfg.work_dir = options.work_dir or str(Path("work_dirs") / name)
    cfg.launcher = options.launcher
    _settle_start(cfg, options)
    check_config(cfg)
    complete_config(cfg, classes)
    _fit_workers(cfg)
    if options.amp is not None and cfg.get("optim_wrapper") is not None:
        _set_amp(cfg, options.amp)
    if options.channels_last:
        preprocessor = cfg.model.setdefault("data_preprocessor", {})
        preprocessor["channels_last"] = True
    if cfg.get("launcher") != "none" and not torch.cuda.is_available():
        raise ValueError(
            f"--launcher {cfg.launcher} needs CUDA devices and this machine has none. Leave --launcher out."
        )
    return cfg


def build_runner(cfg: Config, options: LaunchOptions) -> Any:
    """Build the runner of a prepared config; ``load_from`` may name any published checkpoint.

    Returns:
        A ``TaskRunner``.
    """
    weights = None if cfg.get("resume") else cfg.get("load_from")
    if weights is not None:
        cfg.load_from = None
    runner = RUNNERS.get("TaskRunner").from_cfg(cfg)
    if weights is not None:
        report = load_weights(_unwrapped(runner.model), weights)
        runner.logger.info(str(report))
    if (cfg.model.get("data_preprocessor") or {}).get("channels_last"):
        runner.model.to(memory_format=torch.channels_last)
    if options.compile:
        _unwrapped(runner.model).backbone.compile()
    return runner


def _unwrapped(model: Any) -> Any:
    return getattr(model, "module", model)


def _parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    import argparse

    from mmengine.config import DictAction

    for word in overrides:
        if "=" not in word or word.startswith("="):
            raise ValueError(
                f"--cfg-options got {word!r}; expected key=value, such as train_cfg.max_epochs=3."
            )
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    parsed: dict[str, Any] = parser.parse_args(["--cfg-options", *overrides]).cfg_options
    return parsed


def _settle_start(cfg: Config, options: LaunchOptions) -> None:
    """Settle where the run starts and its seed: the resumed run's, the option's, the config's, or a drawn one."""
    found: tuple[str | Path, dict[str, Any]] | None = None
    if options.resume is True:
        found = newest_checkpoint(cfg.work_dir, print)
        if found is None:
            print(f"nothing to resume in {cfg.work_dir}: the run starts from the beginning")
    elif options.resume:
        found = options.resume, read_checkpoint(options.resume)
    cfg.resume = found is not None
    seed = options.seed
    if found is not None:
        cfg.load_from = str(found[0])
        seed = (found[1].get("meta") or {}).get("seed", seed)
    randomness = cfg.setdefault("randomness", {})
    if seed is None:
        seed = randomness.get("seed")
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0] % 2**31)
        print(f"seed {seed} (drawn; set --seed {seed} to repeat this run)")
    randomness["seed"] = seed


def _fit_workers(cfg: Config) -> None:
    """Use no more data workers than there are cores for this process."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    cores = (
        max(1, len(os.sched_getaffinity(0)) // processes)
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )
    for name in _LOADERS:
        loader = cfg.get(name)
        if loader is None:
            continue
        loader["num_workers"] = min(loader.get("num_workers", 0), cores)
        if loader["num_workers"] == 0:
            for key in ("persistent_workers", "prefetch_factor", "timeout"):
                loader.pop(key, None)


def _set_amp(cfg: Config, amp: str) -> None:
    wrapper = cfg.optim_wrapper
    if amp == "off":
        kind: dict[str, Any] = {"type": "OptimWrapper"}
    elif amp == "bf16":
        kind = {"type": "BFloat16OptimWrapper"}
    elif not torch.cuda.is_available():
        raise ValueError(
            "--amp fp16 needs a CUDA device and this machine has none. Use --amp bf16 or off."
        )
    else:
        kind = {"type": "AmpOptimWrapper", "loss_scale": "dynamic", "dtype": "float16"}
    for key in ("loss_scale", "dtype", "use_fsdp"):  # arguments of the wrapper that goes
        wrapper.pop(key, None)
    wrapper.update(kind)
