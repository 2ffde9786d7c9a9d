from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.training.hooks import EarlyStopHook
from tresnet_tasks.upstream.checkpoints import read_checkpoint


def train(make_runner: Any, scores: list[float], epochs: int = 9, **changes: Any) -> int:
    """Train under the hook; gives the number of epochs that were made."""
    hook = {"monitor": "top1", "patience": 2, **changes.pop("hook", {})}
    name = changes.pop("metric", "top1")
    runner = make_runner(
        scores=[{name: score} for score in scores],
        custom_hooks=[EarlyStopHook(**hook)],
        train_cfg={"by_epoch": True, "max_epochs": epochs},
        param_scheduler=None,
        **changes,
    )
    runner.train()
    return int(runner.epoch)


@pytest.mark.parametrize(
    ("scores", "hook", "epochs"),
    [
        ([0.1, 0.3, 0.3, 0.2] + [0.2] * 5, {}, 4),
        ([0.1, 0.3, 0.2, 0.4, 0.3, 0.3] + [0.2] * 3, {}, 6),
        ([0.1, 0.11, 0.12] + [0.2] * 6, {"min_delta": 0.05}, 3),
        ([0.1, 0.9] + [0.2] * 7, {"stopping_threshold": 0.8}, 2),
        ([0.1, float("nan")] + [0.2] * 7, {}, 2),
    ],
)
def test_training_ends_after_validations_without_an_improvement(
    make_runner: Any, scores: list[float], hook: dict[str, Any], epochs: int
) -> None:
    assert train(make_runner, scores, hook=hook) == epochs


def test_a_loss_is_better_the_lower(make_runner: Any) -> None:
    hook = {"monitor": "loss"}
    assert train(make_runner, [3, 2, 1, 1.5, 2] + [0] * 4, metric="loss", hook=hook) == 5


def test_the_run_ends_as_any_other(make_runner: Any, tmp_path: Path) -> None:
    hooks = {"checkpoint": {"type": "SaveCheckpointHook", "interval": 5}}
    train(make_runner, [0.5, 0.4, 0.4] + [0.9] * 6, hooks=hooks)
    assert read_checkpoint(tmp_path / "run/epoch_3.pth")["meta"]["epoch"] == 3
    assert read_checkpoint(tmp_path / "run/best.pth")["meta"]["best"]["epoch"] == 1
    assert json.loads((tmp_path / "run/run.json").read_text())["seed"] == 5


def test_a_resumed_run_goes_on_counting(make_runner: Any) -> None:
    scores = [0.5, 0.4, 0.4, 0.4, 0.6, 0.6, 0.6, 0.6, 0.6]
    hook = {"patience": 3}
    assert train(make_runner, scores, hook=hook, work_dir="straight") == 4
    assert train(make_runner, scores[:3], epochs=3, hook=hook) == 3
    # The third validation came after the third checkpoint, and so is made again.
    assert train(make_runner, scores[2:], hook=hook, resume=True) == 4


def test_a_metric_that_there_is_not_is_an_error(make_runner: Any) -> None:
    with pytest.raises(ValueError, match=r"EarlyStopHook.monitor='topp1'.*Did you mean"):
        train(make_runner, [0.1], hook={"monitor": "topp1"})


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"min_delta": -1.0}, {"rule": "up"}])
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.*expected"):
        EarlyStopHook("top1", **wrong)
