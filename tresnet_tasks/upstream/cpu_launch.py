"""Starting the processes of a distributed run, on machines with and without GPUs.

mmengine's ``init_dist`` (all versions to 0.10.7) calls ``torch.cuda.set_device`` whatever the
machine has, so that nothing distributed runs without a GPU; a launcher's missing environment
variable is a bare ``KeyError``, a missing ``scontrol`` a host name that nobody has, and all Slurm
jobs of a node get the same port. torchrun (torch 2.11 to 2.15) keeps one store over its restarts,
in which started processes find the addresses of those that were killed; and when it is killed
itself, the processes go on without it. Can go when mmengine starts gloo on machines without a GPU,
and torch gives each restart a store of its own and ends its processes.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import torch
from mmengine.dist import init_dist
from torch import distributed, multiprocessing

_NEEDED = {
    "pytorch": ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NODELIST", "SLURM_LOCALID"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_SIZE"),
}
_STARTED_BY = {
    "pytorch": "torchrun --nproc-per-node N -m tresnet_tasks train CONFIG --launcher pytorch",
    "slurm": "srun --ntasks-per-node N python -m tresnet_tasks train CONFIG --launcher slurm",
    "mpi": "mpirun -np N python -m tresnet_tasks train CONFIG --launcher mpi, MASTER_ADDR set",
}


def start_processes(
    launcher: str, dist_cfg: Mapping[str, Any] | None = None, start_method: str = "fork"
) -> None:
    """Join the other processes of the run.

    On a machine without CUDA they talk through gloo, whatever backend is configured. ``MASTER_ADDR``
    and ``MASTER_PORT`` of a Slurm job follow from its nodes and its number where they are not set.
    On Linux a process that torchrun has started ends when torchrun is killed.

    Args:
        launcher: ``pytorch`` (torchrun), ``slurm`` or ``mpi``.
        dist_cfg: mmengine's ``env_cfg.dist_cfg``: ``backend``, ``timeout`` in seconds, ...
        start_method: of data workers, mmengine's ``env_cfg.mp_cfg.mp_start_method``.

    Raises:
        ValueError: if this process was not started by that launcher, or sees fewer GPUs than there
            are processes on its machine.
        ConnectionError: if torchrun has started this process and is gone.
    """
    _check_environment(launcher)
    settings = dict(dist_cfg or {})
    if multiprocessing.get_start_method(allow_none=True) is None:
        multiprocessing.set_start_method(start_method)  # mmengine would, to another than the runner
    if launcher == "pytorch":
        _end_with_torchrun()
        settings.update(_store_of_this_life())
    if torch.cuda.is_available():
        init_dist(launcher, **settings)
        return
    settings["backend"] = "gloo"
    with patch.object(torch.cuda, "set_device", lambda device: None):
        init_dist(launcher, **settings)


def _end_with_torchrun() -> None:
    """Have the system kill this process when torchrun is killed, or end it if that has happened.

    It would go on, and write beside the run that is started in its place.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    if sys.platform == "linux":
        multiprocessing._prctl_pr_set_pdeathsig(signal.SIGKILL)  # type: ignore[attr-defined]
    one_node = os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]
    if one_node and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        # torchrun listens there as long as it lives; torch would try for half an hour.
        address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        try:
            socket.create_connection(address).close()
        except OSError as error:
            raise ConnectionError(
                f"torchrun, which has started this process, does not answer at {address[0]}:"
                f"{address[1]} ({error}): it has been killed. Start it again."
            ) from error


def _store_of_this_life() -> dict[str, Any]:
    """Arguments for ``init_process_group``; with several nodes none.

    There the numbers of restarts differ from node to node; TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
    makes torchrun itself give each restart a store of its own.
    """
    life = os.environ.get("TORCHELASTIC_RESTART_COUNT")
    if life is None or os.environ.get("LOCAL_WORLD_SIZE") != os.environ["WORLD_SIZE"]:
        return {}
    c10d: Any = distributed  # its type stubs leave these two names out
    store, rank, world_size = next(iter(c10d.rendezvous("env://")))
    store = c10d.PrefixStore(f"life_{life}", store)
    return {"store": store, "rank": rank, "world_size": world_size}


def check_single_process() -> None:
    """Refuse a run without a launcher that torchrun has started several times.

    Raises:
        ValueError: then; each process would train the whole, into the same work dir.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            f"torchrun has started {os.environ['WORLD_SIZE']} processes, but --launcher is 'none': "
            "each would train by itself. Add --launcher pytorch."
        )


def _check_environment(launcher: str) -> None:
    missing = [name for name in _NEEDED[launcher] if name not in os.environ]
    if missing:
        raise ValueError(
            f"--launcher {launcher} needs {', '.join(missing)} in the environment, which its "
            f"processes get when they are started. Start them with: {_STARTED_BY[launcher]}; or leave "
            "--launcher out for a single process."
        )
    if launcher == "slurm":
        if "MASTER_ADDR" not in os.environ and shutil.which("scontrol") is None:
            raise ValueError(
                "--launcher slurm finds the first node with scontrol, which is not installed here. "
                "Set MASTER_ADDR to the name of the job's first node."
            )
        # Jobs that share a node must not share a port.
        job = int(os.environ.get("SLURM_JOB_ID", "0"))
        os.environ.setdefault("MASTER_PORT", str(20000 + job % 20000))
    local = int(os.environ[next(name for name in _NEEDED[launcher] if "LOCAL" in name)])
    if torch.cuda.is_available() and local >= torch.cuda.device_count():
        raise ValueError(
            f"this is process {local} of its machine, counted from 0, but it sees only "
            f"{torch.cuda.device_count()} GPUs. Start one process a GPU; with Slurm, ask for GPUs by "
            "--gpus-per-node, so that every process sees all of its node."
        )
