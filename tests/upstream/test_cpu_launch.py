"""What a wrongly started distributed run is told; `tests/training/test_two_processes.py` starts it."""

from __future__ import annotations

import os
import select
import signal
import sys
import time

import pytest
import torch

from tresnet_tasks.upstream import cpu_launch
from tresnet_tasks.upstream.cpu_launch import check_single_process, start_processes

TORCHRUN = {
    "RANK": "1",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "1",
}
SLURM = {
    "SLURM_PROCID": "3",
    "SLURM_NTASKS": "4",
    "SLURM_NODELIST": "node[1-2]",
    "SLURM_LOCALID": "1",
    "SLURM_JOB_ID": "12345",
    "MASTER_ADDR": "node1",
}


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    elastic = [name for name in os.environ if name.startswith("TORCHELASTIC_")]
    for name in (*TORCHRUN, *SLURM, *elastic):
        monkeypatch.delenv(name, raising=False)


def _set(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, str]]]:
    """What reaches ``init_process_group``, with the environment that mmengine has set up."""
    calls: list[tuple[str, str, dict[str, str]]] = []

    def record(backend: str, **kwargs: object) -> None:
        calls.append((backend, str(kwargs), dict(os.environ)))

    monkeypatch.setattr("torch.distributed.init_process_group", record)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return calls


@pytest.mark.parametrize(
    ("launcher", "lacks", "start"),
    [
        ("pytorch", "RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT", "torchrun"),
        ("slurm", "SLURM_PROCID, SLURM_NTASKS", "srun"),
        ("mpi", "OMPI_COMM_WORLD_RANK", "mpirun"),
    ],
)
def test_a_launcher_that_did_not_start_this_process_is_told_how(
    launcher: str, lacks: str, start: str
) -> None:
    with pytest.raises(ValueError, match=rf"needs {lacks}.*Start them with: {start} "):
        start_processes(launcher)


def test_torchrun_without_the_option_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_single_process()
    _set(monkeypatch, {**TORCHRUN, "TORCHELASTIC_RUN_ID": "x"})
    with pytest.raises(ValueError, match=r"2 processes, .*Add --launcher pytorch"):
        check_single_process()


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no signal at a parent's death")
def test_a_process_ends_when_torchrun_is_killed(
    monkeypatch: pytest.MonkeyPatch, started: list[tuple[str, str, dict[str, str]]]
) -> None:
    _set(monkeypatch, {**TORCHRUN, "TORCHELASTIC_RUN_ID": "x"})
    ready, told = os.pipe()
    launcher = os.fork()
    if launcher == 0:
        try:
            if os.fork() == 0:
                os.setsid()  # as torchrun's processes do
                start_processes("pytorch")
                os.write(told, str(os.getpid()).encode())
            else:
                os.close(told)
            time.sleep(600)
        finally:
            os._exit(1)
    os.close(told)
    rank = int(os.read(ready, 20))
    os.kill(launcher, signal.SIGKILL)
    os.waitpid(launcher, 0)
    ended, _, _ = select.select([ready], [], [], 60)  # the end of what it could write
    os.close(ready)
    if not ended:
        os.kill(rank, signal.SIGKILL)
    assert ended


def test_a_process_whose_torchrun_is_gone_ends(
    monkeypatch: pytest.MonkeyPatch, started: list[tuple[str, str, dict[str, str]]]
) -> None:
    # Nobody listens at port 1; this process must not end with the one that runs the tests.
    monkeypatch.setattr("torch.multiprocessing._prctl_pr_set_pdeathsig", lambda number: None)
    _set(monkeypatch, {**TORCHRUN, "TORCHELASTIC_RUN_ID": "x"})
    _set(monkeypatch, {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"})
    with pytest.raises(ConnectionError, match=r"does not answer at localhost:1 .*Start it again"):
        start_processes("pytorch")
    assert not started


def test_without_a_gpu_gloo_takes_the_place_of_the_configured_backend(
    monkeypatch: pytest.MonkeyPatch, started: list[tuple[str, str, dict[str, str]]]
) -> None:
    _set(monkeypatch, TORCHRUN)
    start_processes("pytorch", {"backend": "nccl", "timeout": 90})
    [(backend, settings, _)] = started
    assert backend == "gloo"
    assert "seconds=90" in settings


def test_slurms_variables_are_torchs_and_each_job_has_a_port_of_its_own(
    monkeypatch: pytest.MonkeyPatch, started: list[tuple[str, str, dict[str, str]]]
) -> None:
    _set(monkeypatch, SLURM)
    start_processes("slurm")
    [(backend, _, environment)] = started
    assert backend == "gloo"
    assert [environment[n] for n in ("RANK", "WORLD_SIZE", "LOCAL_RANK")] == ["3", "4", "1"]
    assert environment["MASTER_ADDR"] == "node1"
    assert environment["MASTER_PORT"] == "32345"


def test_slurm_without_scontrol_asks_for_the_first_node(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {k: v for k, v in SLURM.items() if k != "MASTER_ADDR"})
    monkeypatch.setattr(cpu_launch.shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="Set MASTER_ADDR"):
        start_processes("slurm")


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, TORCHRUN)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="sees only 1 GPUs"):
        start_processes("pytorch")
