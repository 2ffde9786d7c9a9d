"""From the name of a config to a runner that is ready to go."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, get_world_size, is_main_process

from ..config_paths import find_config
from ..registry import MODELS, RUNNERS, SCOPE
from ..upstream.allocator import keep_freed_memory
from ..upstream.checkpoints import read_checkpoint
from ..upstream.compiled_graphs import keep_compiled_graphs
from ..upstream.resume_point import check_resumable, newest_checkpoint
from ..upstream.sharded_state import is_sharded
from .checks import accepted_arguments, check_config, find_kind
from .completion import complete_config
from .global_batch import keep_global_batch
from .hooks import LoadWeightsHook, SameBuffersHook, SmallBatchHook, SummedLossHook
from .overrides import apply_overrides
from .processes import choose_wrapper, collect_in_work_dir, join_processes
from .schedule_completion import complete_schedules
from .work_dir_lock import lock_work_dir

_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
_PATIENCE = 900  # seconds without a batch, after which a data worker is taken to hang
_FOR_TRAINING = ("model", "train_dataloader", "train_cfg", "optim_wrapper")
_FOR_TESTING = ("model", "test_dataloader", "test_evaluator")


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
        overrides: ``key=value`` words, see :func:`apply_overrides`.

    Raises:
        FileNotFoundError: if there is no such config.
        ValueError: if Python or mmengine cannot make sense of it, or an override is no ``key=value`` of a setting.
    """
    path = find_config(name)
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is Python: anything can go wrong in it
        frame = traceback.extract_tb(error.__traceback__)[-1]
        known = ("mmengine", "tresnet_tasks", "importlib")
        inside = not any(part in known for part in Path(frame.filename).parts)
        place = f" ({frame.filename}, line {frame.lineno})" if inside else ""
        raise ValueError(
            f"config {path} cannot be read: {type(error).__name__}: {error}{place}. Correct it; configs/ has examples."
        ) from error
    apply_overrides(cfg, overrides)
    return cfg


def prepare_config(
    cfg: Config,
    options: LaunchOptions,
    classes: Sequence[str] | None = None,
    *,
    training: bool = True,
) -> Config:
    """Check a config, apply the options and complete it, in place.

    Args:
        cfg: as read.
        options: from the command line.
        classes: class names that a checkpoint was trained with.
        training: whether the run trains; otherwise it tests.

    Raises:
        ValueError: for a contradiction, an unknown key or what this machine cannot do; see :func:`check_config` and
            :func:`complete_config`.
    """
    check_config(cfg)
    _check_present(cfg, training)
    _check_device(cfg, options)
    if cfg.get("default_scope") is None:
        cfg.default_scope = SCOPE
    cfg.work_dir = work_dir_of(cfg, options)
    cfg.launcher = options.launcher
    # Now, not in the runner: all processes must agree on the seed and on where to resume.
    join_processes(cfg, options.launcher, options)
    if options.launcher != "none":
        choose_wrapper(cfg)
        collect_in_work_dir(cfg)
    _settle_start(cfg, options)
    complete_config(cfg, classes)
    for note in complete_schedules(cfg) if training else ():
        _say(note)
    _fit_workers(cfg)
    if options.amp is not None and cfg.get("optim_wrapper") is not None:
        _set_amp(cfg, options.amp)
    if options.channels_last:
        preprocessor = cfg.model.get("data_preprocessor") or {}
        kind = find_kind(preprocessor.get("type", "Preprocessor"), MODELS)
        # mmdet's does not take it; there the first convolution turns its images by its weights.
        if "channels_last" in (accepted_arguments(kind) or ()):
            cfg.model.data_preprocessor = {**preprocessor, "channels_last": True}
    return cfg


def work_dir_of(cfg: Config, options: LaunchOptions) -> str:
    """Where a run writes: the option's folder, the config's, or ``work_dirs/NAME``."""
    named = options.work_dir or cfg.get("work_dir")
    return str(named or Path("work_dirs") / Path(cfg.filename or "run").stem)


def build_runner(cfg: Config, options: LaunchOptions) -> Any:
    """Build the runner of a prepared config; ``load_from`` may name any published checkpoint.

    Returns:
        A ``TaskRunner``.

    Raises:
        ValueError: if another run is writing into the work dir, before anything is written there.
    """
    keep_freed_memory()
    lock = lock_work_dir(cfg.work_dir) if cfg.get("train_cfg") is not None else None
    runner = RUNNERS.get("TaskRunner").from_cfg(cfg)
    runner.work_dir_lock = lock
    if cfg.get("load_from") is not None and not cfg.get("resume"):
        runner._load_from = None  # the runner knows its own format alone
        runner.register_hook(LoadWeightsHook(cfg.load_from))
    runner.register_hook(SmallBatchHook())
    runner.register_hook(SameBuffersHook())
    runner.register_hook(SummedLossHook())
    # Shares of weights are flat; the whole of them is put together for each use.
    preprocessor = cfg.model.get("data_preprocessor") or {}
    channels_last = options.channels_last or preprocessor.get("channels_last")
    if channels_last and not is_sharded(runner.model):
        runner.model.to(memory_format=torch.channels_last)
    if options.compile:
        _say("the backbone is compiled in the first steps, which may take minutes")
        bare = getattr(runner.model, "module", runner.model)
        if hasattr(bare, "balance"):  # of several heads, each of which sends its own gradient
            keep_compiled_graphs()
        bare.backbone.compile()
    return runner


def run_training(runner: Any) -> None:
    """Train.

    Raises:
        ValueError: in place of torch's, where batch norm got a single value a channel.
    """
    try:
        runner.train()
    except ValueError as error:
        # torch's words, and those of our own normalisation
        if not any(said in str(error) for said in ("more than 1 value per", "one value a channel")):
            raise
        raise ValueError(
            f"a training batch was too small for batch norm: a single image whose last feature map is one pixel "
            f"({error}). Set train_dataloader.drop_last=True to leave the last, smaller batch out, a batch_size of 2 "
            "or more, or larger images."
        ) from error
    finally:
        if runner.work_dir_lock is not None:
            runner.work_dir_lock.release()


def _check_present(cfg: Config, training: bool) -> None:
    """Refuse a config that lacks a part; the empty val_cfg and test_cfg may be left out."""
    task, needed = ("training", _FOR_TRAINING) if training else ("a test", _FOR_TESTING)
    missing = [key for key in needed if cfg.get(key) is None]
    if missing:
        raise ValueError(
            f"config {cfg.filename} has no {', '.join(missing)}; {task} needs {', '.join(needed)}. Inherit them from "
            "configs/_base_ or another config (_base_ = [...]), or write them."
        )
    for split in ("val", "test"):
        loader, evaluator = f"{split}_dataloader", f"{split}_evaluator"
        if (cfg.get(loader) is None) != (cfg.get(evaluator) is None):
            has, lacks = (loader, evaluator) if cfg.get(loader) is not None else (evaluator, loader)
            raise ValueError(
                f"config {cfg.filename} has {has} but no {lacks}. Write both, or neither."
            )
        cfg[f"{split}_cfg"] = None if cfg.get(loader) is None else cfg.get(f"{split}_cfg") or {}


def _check_device(cfg: Config, options: LaunchOptions) -> None:
    if torch.cuda.is_available():
        return
    configured = (cfg.get("optim_wrapper") or {}).get("type") == "AmpOptimWrapper"
    if options.amp == "fp16" or (options.amp is None and configured):
        asked = "--amp fp16" if options.amp else "the config's optim_wrapper.type='AmpOptimWrapper'"
        raise ValueError(
            f"{asked} needs a CUDA device and this machine has none. Use --amp bf16 or off."
        )


def _settle_start(cfg: Config, options: LaunchOptions) -> None:
    """Settle where the run starts and its seed: the resumed run's, the option's, the config's, or a drawn one."""
    found: tuple[str | Path, dict[str, Any]] | None = None
    resume = options.resume
    if not resume and cfg.get("resume"):  # mmengine's way to ask for it
        resume = cfg.get("load_from") or True
    if resume is True:
        found = newest_checkpoint(cfg.work_dir, _say)
        if found is None:
            _say(f"nothing to resume in {cfg.work_dir}: the run starts from the beginning")
    elif resume:
        found = resume, read_checkpoint(resume)
        check_resumable(found[1], resume)
    cfg.resume = found is not None
    randomness = dict(cfg.get("randomness") or {})
    seed = randomness.get("seed") if options.seed is None else options.seed
    if found is not None:
        cfg.load_from = str(found[0])
        keep_global_batch(cfg, found[1]["meta"].get("loader"), get_world_size(), _say)
        epoch, last = found[1]["meta"]["epoch"], cfg.train_cfg.get("max_epochs")
        if last is not None and epoch >= last:
            _say(
                f"{found[0]} is of the end of the run, epoch {epoch} of {last}: nothing is left to train. To go on, "
                f"set a larger train_cfg.max_epochs."
            )
        stored = found[1]["meta"].get("seed")
        if isinstance(stored, int) and stored != seed:
            if seed is not None:
                _say(f"seed {stored}, as the resumed run had it, in place of {seed}")
            seed = stored
    if seed is None:
        drawn = [int(np.random.SeedSequence().generate_state(1)[0] % 2**31)]
        broadcast_object_list(drawn)
        seed = drawn[0]
        _say(f"seed {seed} (drawn; set --seed {seed} to repeat this run)")
    cfg.randomness = {**randomness, "seed": seed}


def _say(text: str) -> None:
    if is_main_process():
        print(text, flush=True)


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
        else:
            loader.setdefault("timeout", _PATIENCE)


def _set_amp(cfg: Config, amp: str) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "off": {"type": "OptimWrapper"},
        "bf16": {"type": "BFloat16OptimWrapper"},
        "fp16": {"type": "AmpOptimWrapper", "loss_scale": "dynamic", "dtype": "float16"},
    }
    wrapper = cfg.optim_wrapper
    for key in ("loss_scale", "dtype", "use_fsdp"):  # arguments of the wrapper that goes
        wrapper.pop(key, None)
    wrapper.update(kinds[amp])
