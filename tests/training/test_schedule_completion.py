from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config

from tresnet_tasks.training.schedule_completion import complete_schedules


def completed(schedule: Any, **run: int) -> tuple[Any, list[str]]:
    cfg = Config({"train_cfg": run or {"max_epochs": 30}, "param_scheduler": schedule})
    notes = complete_schedules(cfg)
    return cfg.param_scheduler, notes


def test_a_schedule_lasts_as_long_as_the_run() -> None:
    found, notes = completed(
        [
            {"type": "LinearLR", "begin": 0, "end": 3},
            {"type": "CosineAnnealingLR", "begin": 3},
            {"type": "mmengine.OneCycleLR"},
        ]
    )
    assert found[1].T_max == 27
    assert found[2].total_steps == 30
    assert not notes


def test_one_by_iterations_follows_those_of_the_run() -> None:
    found, _ = completed({"type": "OneCycleLR", "by_epoch": False}, max_iters=500)
    assert found.total_steps == 500


def test_a_rise_of_one_step_is_refused() -> None:
    schedule = {"type": "OneCycleLR", "by_epoch": False, "pct_start": 0.1}
    with pytest.raises(ValueError, match="Train for more than 10 steps"):
        completed(schedule, max_iters=10)


def test_one_that_ends_early_on_purpose_lasts_until_then() -> None:
    found, _ = completed({"type": "CosineAnnealingLR", "end": 20})
    assert found.T_max == 20


@pytest.mark.parametrize(
    "schedule",
    [{"type": "OneCycleLR", "total_steps": 20}, {"type": "CosineAnnealingLR", "T_max": 29}],
)
def test_one_that_ends_before_the_run_is_refused(schedule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the run lasts 30 epochs"):
        completed(schedule)


@pytest.mark.parametrize("epochs", [2, 3])
def test_one_that_begins_after_the_run_is_refused(epochs: int) -> None:
    with pytest.raises(ValueError, match=rf"begins after 3 epochs, but the run lasts {epochs}\."):
        completed({"type": "CosineAnnealingLR", "begin": 3}, max_epochs=epochs)


def test_one_that_the_run_does_not_end_is_told() -> None:
    _, notes = completed({"type": "OneCycleLR", "total_steps": 80}, max_epochs=40)
    assert "lasts 80 epochs, and the run stops after 40" in notes[0]


def test_schedules_of_several_optimizers_are_found() -> None:
    found, _ = completed({"a": [{"type": "OneCycleLR"}], "b": {"type": "ConstantLR"}})
    assert found.a[0].total_steps == 30
