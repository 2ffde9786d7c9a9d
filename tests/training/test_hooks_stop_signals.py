from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook

from tresnet_tasks.training.hooks.stop_signals import EXIT_TO_RESUME, RunStopped, StopSignalsHook
from tresnet_tasks.upstream.checkpoints import read_checkpoint
from tresnet_tasks.upstream.resume_point import newest_checkpoint

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")


class Send(Hook):
    """Sends signals to this process before a training or validation step."""

    def __init__(self, iteration: int, *numbers: int, stage: str = "train") -> None:
        self.iteration = iteration
        self.numbers = numbers
        self.stage = stage

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self._send("train", runner.iter)

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self._send("val", runner.iter)

    def _send(self, stage: str, iteration: int) -> None:
        if (stage, iteration) == (self.stage, self.iteration):
            for number in self.numbers:
                os.kill(os.getpid(), number)


def run(make_runner: Any, send: Hook, work_dir: str = "run", **changes: Any) -> Any:
    hooks = {"stop": StopSignalsHook(), **changes.pop("hooks", {})}
    runner = make_runner(work_dir, hooks=hooks, custom_hooks=[send], **changes)
    with pytest.raises(RunStopped) as stopped:
        runner.train()
    return stopped.value


def meta(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_checkpoint(path)["meta"]
    return found


@pytest.mark.parametrize(("number", "status"), [("SIGTERM", 75), ("SIGUSR1", 75), ("SIGINT", 130)])
def test_the_step_is_finished_saved_and_told_by_the_exit_status(
    make_runner: Any, tmp_path: Path, number: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(make_runner, Send(4, getattr(signal, number))).code == status
    assert meta(tmp_path / "run/iter_5.pth")["iter"] == 5
    printed = capsys.readouterr().out
    assert f"{number}: stopped after iteration 5, saved as {tmp_path}/run/iter_5.pth" in printed
    assert f"Exit status {status}" in printed


def test_the_stopped_run_resumes_to_the_end_of_the_undisturbed_one(
    make_runner: Any, tmp_path: Path
) -> None:
    make_runner("straight").train()
    run(make_runner, Send(4, signal.SIGTERM))
    make_runner(resume=True).train()
    a, b = (read_checkpoint(tmp_path / name / "epoch_4.pth") for name in ("straight", "run"))
    for name, value in a["state_dict"].items():
        assert torch.equal(value, b["state_dict"][name]), name


def test_a_later_signal_of_the_scheduler_does_not_disturb_the_saving(make_runner: Any) -> None:
    assert run(make_runner, Send(4, signal.SIGUSR1, signal.SIGTERM)).code == 75


def test_accumulated_gradients_come_to_their_step(make_runner: Any, tmp_path: Path) -> None:
    run(make_runner, Send(0, signal.SIGTERM), accumulate=2)
    assert meta(tmp_path / "run/iter_2.pth")["iter"] == 2


def test_a_validation_is_ended(make_runner: Any, tmp_path: Path) -> None:
    scores = [{"top1": 0.5}] * 4
    run(make_runner, Send(6, signal.SIGTERM, stage="val"), scores=scores)
    assert len(scores) == 3
    found = meta(tmp_path / "run/epoch_2.pth")
    assert (found["epoch"], found["iter"], found["validated"]) == (2, 6, False)


def test_the_second_ctrl_c_ends_at_once_and_says_what_is_kept(
    make_runner: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send = Send(4, signal.SIGINT, signal.SIGINT)
    runner = make_runner(hooks={"stop": StopSignalsHook()}, custom_hooks=[send])
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    kept = f"interrupted in iteration 5: {tmp_path}/run/epoch_1.pth is kept"
    assert kept in capsys.readouterr().out


def test_signals_are_as_before_when_training_is_over(make_runner: Any) -> None:
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]
    make_runner("a", hooks={"stop": StopSignalsHook()}).train()
    run(make_runner, Send(4, signal.SIGTERM))
    assert before == [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]


def test_all_ranks_stop_after_the_same_step(
    make_runner: Any, on_two_ranks: Any, tmp_path: Path
) -> None:
    def work(rank: int) -> None:
        hooks = [Send(4, signal.SIGTERM)] if rank == 1 else []
        make_runner(hooks={"stop": StopSignalsHook()}, custom_hooks=hooks).train()

    assert on_two_ranks(work) == [EXIT_TO_RESUME] * 2
    assert meta(tmp_path / "run/iter_5.pth")["iter"] == 5


@pytest.mark.parametrize("signals", ["SIGTERM", ["TERM"]])
def test_what_is_no_name_of_a_signal_is_refused(signals: Any) -> None:
    with pytest.raises(ValueError, match="expected a list of names"):
        StopSignalsHook(signals)


def test_the_command_says_its_exit_status_and_a_group_wide_signal_is_survived(
    tiny_config: Callable[..., Path], tmp_path: Path, repository: Path
) -> None:
    config = tiny_config(
        "train_cfg['max_epochs'] = 1000\nparam_scheduler = None\n"
        "train_dataloader.update(num_workers=1, persistent_workers=True)"
    )
    command = [sys.executable, "-m", "tresnet_tasks", "train", str(config), "--work-dir"]
    # In a group of its own, as a scheduler or a terminal has it.
    process = subprocess.Popen(
        [*command, str(tmp_path / "w")],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("epoch 2/"):
            os.killpg(process.pid, signal.SIGTERM)
            break
    printed += process.stdout.read()
    assert process.wait(60) == EXIT_TO_RESUME, printed
    assert "Traceback" not in printed and "SIGTERM: stopped after iteration" in printed
    assert newest_checkpoint(tmp_path / "w", pytest.fail)
