"""The processes of a distributed run: started, agreeing, and the model spread over them."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import all_gather_object, is_distributed

from ..registry import METRICS, SCOPE
from ..upstream.checkpoints import plain_data
from ..upstream.cpu_launch import check_single_process, start_processes
from ..upstream.run_record import differences, versions
from .checks import accepted_arguments, find_kind

_SHOWN = 10


def join_processes(cfg: Config, launcher: str, options: Any) -> None:
    """Join the other processes of the run, and make sure that all were given the same.

    Args:
        cfg: as read, before anything is filled in.
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.
        options: a dataclass, compared too.

    Raises:
        ValueError: on every process, if they differ in config, options or versions of the packages;
            if they were not started by the launcher.
    """
    if launcher == "none":
        check_single_process()
        return
    if not is_distributed():
        environment = cfg.get("env_cfg") or {}
        method = (environment.get("mp_cfg") or {}).get("mp_start_method", "fork")
        start_processes(launcher, environment.get("dist_cfg"), method)
    check_agreement({"config": plain_data(cfg), "options": asdict(options), "versions": versions()})


def check_agreement(mine: dict[str, Any]) -> None:
    """Compare plain data over all processes.

    Raises:
        ValueError: on every process, naming host, rank and keys of those that differ from rank 0.
    """
    found = all_gather_object((socket.gethostname(), mine))
    host, first = found[0]
    told = []
    for rank, (other_host, other) in enumerate(found):
        lines = differences(first, other)
        shown = [*lines[:_SHOWN], *(["..."] if len(lines) > _SHOWN else [])]
        if lines:
            told.append(f"rank {rank} on {other_host}:\n  " + "\n  ".join(shown))
    if told:
        raise ValueError(
            f"the processes of this run were not started alike (rank 0 on {host} -> the other):\n"
            + "\n".join(told)
            + "\nStart all with the same config file, options and installed packages."
        )


def collect_in_work_dir(cfg: Config) -> None:
    """Let the metrics exchange their results below the work dir, which all processes see.

    mmengine uses the folder that each process was started in, and leaves ``.dist_test`` there.
    """
    folder = str(Path(cfg.work_dir) / ".collected")
    for name in ("val_evaluator", "test_evaluator"):
        for metric in _metrics(cfg.get(name)):
            if metric.get("collect_device", "cpu") == "cpu":
                accepted = accepted_arguments(find_kind(metric.get("type"), METRICS))
                if accepted is None or "collect_dir" in accepted:
                    metric.setdefault("collect_dir", folder)


def _metrics(evaluator: Any) -> Iterator[Any]:
    """The configs of metrics: of one, of a list, of those of a joint model's heads."""
    if isinstance(evaluator, list | tuple):
        for part in evaluator:
            yield from _metrics(part)
    elif isinstance(evaluator, Mapping):
        inside = evaluator.get("metrics")
        if inside is None:
            yield evaluator
        else:
            yield from _metrics(list(inside.values()) if isinstance(inside, Mapping) else inside)


def choose_wrapper(cfg: Config) -> None:
    """Settle, in place, how a distributed run spreads its model; mmengine's wrapper becomes ours.

    Raises:
        ValueError: for an implementation of synchronised batch norm other than ours.
    """
    sync_bn = cfg.pop("sync_bn", None)
    if sync_bn not in (None, True, False, SCOPE):
        raise ValueError(
            f"sync_bn={sync_bn!r} would take the activation of TResNet's layers away and runs on GPUs "
            "alone. Set sync_bn=True for statistics that are synchronised by this package."
        )
    wrapper = dict(cfg.get("model_wrapper_cfg") or {})
    unused = cfg.pop("find_unused_parameters", None)
    if unused is not None:
        wrapper.setdefault("find_unused_parameters", unused)
    kind = wrapper.get("type", "ReplicatedModel").rpartition(".")[2]
    if kind == "MMDistributedDataParallel":
        kind = "ReplicatedModel"
    if kind in ("ReplicatedModel", "ShardedModel"):
        # mmengine looks wrappers up in its own registry, where ours are known by their scope.
        wrapper["type"] = f"{SCOPE}.{kind}"
        wrapper["sync_bn"] = bool(wrapper.get("sync_bn") if sync_bn is None else sync_bn)
    if kind == "ReplicatedModel" and _has_hook(cfg, "FreezeStagesHook"):
        # Otherwise each process waits for the gradients of what is frozen for a while.
        wrapper.setdefault("find_unused_parameters", True)
    cfg.model_wrapper_cfg = wrapper


def _has_hook(cfg: Config, name: str) -> bool:
    return any(hook.get("type") == name for hook in cfg.get("custom_hooks") or ())
