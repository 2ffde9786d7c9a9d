from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from rich.console import Console

from tresnet_tasks.training.hooks import ProgressHook, progress_bars
from tresnet_tasks.training.hooks.progress import _batch_size, _training_text


def scalars(work_dir: Path) -> list[dict[str, Any]]:
    (path,) = work_dir.glob("*/vis_data/scalars.json")
    return [json.loads(line) for line in path.read_text().splitlines()]


def log_file(work_dir: Path) -> str:
    return next(work_dir.glob("*/*.log")).read_text()


def test_plain_lines(make_runner: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_runner(scores=[{"top1": 0.125 * i} for i in range(4)]).train()
    made_of, *lines = capsys.readouterr().out.splitlines()
    assert made_of.startswith("a step of the optimizer: 4 images")
    number = r"\d+(\.\d+)?(e-\d+)?"
    training = rf"loss \d\.\d{{4}} lr {number} {number} img/s eta \d:\d\d:\d\d"
    assert re.fullmatch(rf"epoch 1/4 \[2/3\] {training}", lines[0])
    assert re.fullmatch(rf"epoch 1/4 \[3/3\] {training}", lines[1])
    assert re.fullmatch(r"epoch 1/4 val accuracy/top1 0\.0000 \(\d+\.\d s\)", lines[2])
    assert sum("[3/3]" in line for line in lines) == 4


def test_console_is_spared_what_the_log_file_gets(
    make_runner: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_runner().train()
    shown, logged = capsys.readouterr().out, log_file(tmp_path / "run")
    for noise in ("System environment", "Config:", "Hooks will be executed"):
        assert noise not in shown
        assert noise in logged
    assert "epoch 4/4 [3/3]" in logged


def test_log_level_is_still_the_users(make_runner: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_runner("quiet", log_level="ERROR").train()
    assert capsys.readouterr().out == ""
    make_runner("loud", log_level="DEBUG").train()
    assert "System environment" in capsys.readouterr().out


def test_scalars_by_iteration_and_validation_by_epoch(make_runner: Any, tmp_path: Path) -> None:
    make_runner(scores=[{"top1": 0.125 * i} for i in range(4)]).train()
    rows = scalars(tmp_path / "run")
    training = [row for row in rows if "loss" in row]
    assert [row["step"] for row in training] == [2, 3, 5, 6, 8, 9, 11, 12]
    assert {"lr", "img_per_s", "epoch"} <= training[0].keys()
    validation = [(row["step"], row["accuracy/top1"]) for row in rows if "accuracy/top1" in row]
    assert validation == [(1, 0.0), (2, 0.125), (3, 0.25), (4, 0.375)]


def test_an_iteration_based_run(
    make_runner: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_runner(
        scores=[{"top1": 0.5}],
        train_cfg={"by_epoch": False, "max_iters": 2, "val_interval": 2},
        hooks={"checkpoint": {"type": "SaveCheckpointHook", "by": "step", "interval": 2}},
    ).train()
    _, *lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("iter [2/2] loss")
    assert lines[1].startswith("iter 2/2 val accuracy/top1 0.5000")
    assert (tmp_path / "run/best.pth").exists()
    assert scalars(tmp_path / "run")[-1]["step"] == 2


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the bars write, to a terminal that is not there."""
    written = io.StringIO()

    def console() -> Console:
        return Console(file=written, force_terminal=True, width=120)

    monkeypatch.setattr(progress_bars, "Console", console)
    return written


@pytest.mark.parametrize("by_epoch", [True, False])
def test_bars_on_a_terminal(
    make_runner: Any, terminal: io.StringIO, tmp_path: Path, by_epoch: bool
) -> None:
    loops = {"by_epoch": by_epoch, "val_interval": 1 if by_epoch else 3}
    loops.update({"max_epochs": 2} if by_epoch else {"max_iters": 6})
    make_runner(
        scores=[{"top1": 0.5}] * 2,
        train_cfg=loops,
        hooks={"logger": ProgressHook(interval=2, bars=True)},
    ).train()
    seen = terminal.getvalue()
    assert seen.endswith("\x1b[?25h") or "\x1b[?25h" in seen[seen.rindex("\x1b[?25l") :]  # cursor
    assert "img/s" in seen
    # The lines between stay in the log file alone.
    line = "epoch 1/2 [2/3]" if by_epoch else "iter [2/6]"
    assert line not in seen
    assert line in log_file(tmp_path / "run")


def test_an_error_gives_the_terminal_back(make_runner: Any, terminal: io.StringIO) -> None:
    class Breaks(Hook):
        def after_train_iter(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("broken")

    hook = ProgressHook(bars=True)
    with pytest.raises(RuntimeError, match="broken"):
        make_runner(custom_hooks=[Breaks()], hooks={"logger": hook}).train()
    assert "\x1b[?25h" in terminal.getvalue()
    assert hook._bars is not None
    assert hook._bars._progress is None


@pytest.mark.parametrize(
    ("batch", "size"),
    [
        ({"inputs": torch.zeros(5, 3, 4, 4), "data_samples": [0] * 5}, 5),
        ({"inputs": [torch.zeros(3, 4, 4)] * 2, "data_samples": [0] * 2}, 2),
        ((torch.zeros(6, 3, 4, 4), torch.zeros(6)), 6),
        ({"a": {"inputs": torch.zeros(7, 3)}}, 7),
        (None, 0),
        ({}, 0),
    ],
)
def test_images_of_a_batch(batch: Any, size: int) -> None:
    assert _batch_size(batch) == size


def test_parts_of_a_loss_are_shown() -> None:
    text = _training_text({"loss": 3.0, "loss_cls": 1.0, "loss_bbox": 2.0, "lr": 1e-4, "time": 1})
    assert text == "loss 3.0000 loss_cls 1.0000 loss_bbox 2.0000 lr 0.0001"


def test_of_several_groups_the_rate_is_the_optimizers_own() -> None:
    scalars = {"train/loss": 1.0, "train/lr": 3.4e-5, "train/base_lr": 2e-4}
    assert _training_text(scalars) == "loss 1.0000 lr 0.0002"


def test_interval_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="interval=0; expected 1"):
        ProgressHook(interval=0)
