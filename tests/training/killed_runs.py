"""Training runs in processes of their own that can be killed, for the tests of resuming.

Forked, as data workers are: the libraries are loaded once for all of them. torchrun's agent can do
so too, with a function in place of a command.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import traceback
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from torch.distributed import run as torchrun
from torch.distributed.launcher.api import elastic_launch

from tresnet_tasks.training.launch import (
    LaunchOptions,
    build_runner,
    load_config,
    prepare_config,
    run_training,
)
from tresnet_tasks.upstream.checkpoints import read_checkpoint

# Appended to the tiny configuration: 12 images, 6 micro-batches and 3 optimizer steps an epoch.
EVERYTHING = """
model["backbone"]["drop_path_rate"] = 0.2
model["data_preprocessor"] = dict(mixes=[dict(type="MixUp", alpha=0.4)])
train_dataloader.update(
    batch_size=2, num_workers=2, persistent_workers=True, prefetch_factor=2
)
train_dataloader["dataset"]["pipeline"] = [
    dict(type="LoadImage"), dict(type="TorchVision", name="RandAugment"), dict(type="PackClsInputs")
]
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
optim_wrapper.update(accumulative_counts=2, clip_grad=dict(max_norm=5.0))
param_scheduler = dict(type="OneCycleLR", eta_max=0.05, total_steps=3, convert_to_iter_based=True)
custom_hooks = [dict(type="ModelEMAHook", decay=0.9)]
default_hooks = dict(
    checkpoint=dict(type="SaveCheckpointHook", interval=1, by="step", max_keep=2), report=None
)
"""


class KillAt(Hook):
    """Ends this process without a warning, after an iteration."""

    priority = "LOWEST"

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)


def start(
    config: Path,
    work_dir: Path,
    *,
    resume: bool = False,
    seed: int | None = None,
    kill_at: int | None = None,
    processes: int = 1,
) -> list[BaseProcess]:
    """Start a run; ``work_dir.log`` gets what it prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in range(processes):
        environment = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
        environment |= {"LOCAL_WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1"}
        environment |= {"MASTER_PORT": str(port)}
        distributed = environment if processes > 1 else None
        arguments = (config, work_dir, resume, seed, kill_at, distributed)
        # Not a daemon: it has data workers.
        process = multiprocessing.get_context("fork").Process(target=_train, args=arguments)
        process.start()
        started.append(process)
    return started


def start_torchrun(
    config: Path, work_dir: Path, *, resume: bool = False, seed: int | None = None
) -> list[BaseProcess]:
    """Start torchrun with two processes; it is what is returned, the two are its children."""
    arguments = (config, work_dir, resume, seed)
    process = multiprocessing.get_context("fork").Process(target=_launch, args=arguments)
    process.start()
    return [process]


def finish(started: list[BaseProcess], log: Path, expected: int = 0) -> None:
    """Wait for the processes of a run; their exit code must be as expected."""
    for process in started:
        process.join(timeout=300)
    codes = [process.exitcode for process in started]
    for process in started:
        process.kill()
    printed = log.read_text(encoding="utf-8")[-3000:] if log.is_file() else "nothing printed"
    assert codes == [expected] * len(started), f"exit codes {codes}\n{printed}"


def assert_same_end(
    a: Path,
    b: Path,
    logged: tuple[str, ...] = ("train/loss", "train/lr", "train/grad_norm", "val/top1"),
) -> None:
    """The last checkpoints of two work dirs are equal, bit for bit, but for the clock."""
    straight, resumed = (
        read_checkpoint(folder / (folder / "last_checkpoint").read_text()) for folder in (a, b)
    )
    for key in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers", "generators"):
        _assert_equal(straight[key], resumed[key], key)
    for key in ("epoch", "iter", "batches", "best", "seed"):
        _assert_equal(straight["meta"][key], resumed["meta"][key], key)
    logs = [c["message_hub"]["log_scalars"] for c in (straight, resumed)]
    for name in logged:
        assert logs[0][name].data[0].tolist() == logs[1][name].data[0].tolist(), name


def _assert_equal(a: Any, b: Any, where: str) -> None:
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            _assert_equal(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            _assert_equal(x, y, f"{where}[{index}]")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


def _train(
    config: Path,
    work_dir: Path,
    resume: bool,
    seed: int | None,
    kill_at: int | None,
    environment: dict[str, str] | None,
) -> None:
    _print_into(f"{work_dir}.log")
    torch.set_num_threads(1)  # a pool of threads does not survive the fork
    os.environ.update(environment or {})
    launcher = "none" if environment is None else "pytorch"
    try:
        options = LaunchOptions(work_dir=str(work_dir), resume=resume, seed=seed, launcher=launcher)
        runner = build_runner(prepare_config(load_config(str(config)), options), options)
        if kill_at is not None:
            runner.register_hook(KillAt(kill_at))
        run_training(runner)
        if launcher != "none":
            torch.distributed.destroy_process_group()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    with contextlib.suppress(ValueError):
        sys.stdout.flush()


def _launch(config: Path, work_dir: Path, resume: bool, seed: int | None) -> None:
    """What torchrun does, but that its processes are forked."""
    _print_into(f"{work_dir}.log")
    line = "--nproc-per-node 2 --rdzv-backend c10d --rdzv-endpoint localhost:0 --log-dir"
    arguments = [*line.split(), f"{work_dir}.torchrun", "train"]
    settings, _, _ = torchrun.config_from_args(torchrun.parse_args(arguments))
    settings.start_method = "fork"
    elastic_launch(settings, _train_under_torchrun)(config, work_dir, resume, seed)


def _train_under_torchrun(*arguments: Any) -> None:
    # The signal at torchrun's death, which torch asks for where it forks: a command gets none.
    torch.multiprocessing._prctl_pr_set_pdeathsig(0)  # type: ignore[attr-defined]
    _train(*arguments, kill_at=None, environment={})


def _print_into(path: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = sys.stdout
