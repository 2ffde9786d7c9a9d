"""What is drawn, against the rates of a run that is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.hooks import Hook

from tresnet_tasks.training import schedule_preview as module
from tresnet_tasks.training.launch import (
    LaunchOptions,
    build_runner,
    load_config,
    prepare_config,
    run_training,
)

ACCUMULATED = "optim_wrapper['accumulative_counts'] = 2\ntrain_dataloader['batch_size'] = 2\n"
SEVERAL = (
    "param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=2),\n"
    "  dict(type='MultiStepLR', milestones=[1]),\n"
    "  dict(type='CosineAnnealingMomentum', T_max=2, eta_min=0.5)]\n"
)
ONE_CYCLE = (
    "param_scheduler = dict(type='OneCycleLR', eta_max=0.1, convert_to_iter_based=True)\n"
    "optim_wrapper.update(constructor='LayerDecayConstructor', paramwise_cfg=dict(decay_rate=0.5))\n"
    "auto_scale_lr = dict(enable=True, base_batch_size=8)\n"
)
ITERATIONS = (
    "train_cfg = dict(by_epoch=False, max_iters=8, val_interval=8)\n"
    "param_scheduler = dict(type='PolyLR', power=2, by_epoch=False)\n"
)


class Rates(Hook):
    """The settings of the groups in each step of the optimizer."""

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self.found: dict[str, dict[str, list[float]]] = {"learning rate": {}, "momentum": {}}

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if not runner.optim_wrapper.should_update():
            return
        for group in runner.optim_wrapper.optimizer.param_groups:
            for name, key in (("learning rate", "lr"), ("momentum", "momentum")):
                layer = group.get("layer", "1 x lr")
                self.found[name].setdefault(layer, []).append(group[key])


@pytest.mark.parametrize("schedule", [SEVERAL, ONE_CYCLE, ITERATIONS])
def test_the_curves_are_those_of_the_run(
    tiny_config: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    schedule: str,
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(module, "draw_schedule", lambda *arguments: drawn.append(arguments))
    config = tiny_config(ACCUMULATED + schedule)
    options = LaunchOptions(str(tmp_path / "w"), seed=1)
    module.preview_schedule(load_config(str(config)), options)
    runner = build_runner(prepare_config(load_config(str(config)), options), options)
    rates = Rates()
    runner.register_hook(rates)
    run_training(runner)
    _, _, curves, *_ = drawn[0]
    assert len(curves["learning rate"]) == (6 if schedule == ONE_CYCLE else 1)
    for panel, groups in curves.items():
        for name, values in groups.items():
            # Of several groups with the same settings the run has each.
            real = rates.found[panel][name]
            several = len(real) // len(values)
            assert values == pytest.approx(real[::several]), (panel, name)


def test_the_command_draws_and_tells_without_training(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    config = tiny_config(
        "param_scheduler = dict(type='OneCycleLR', eta_max=0.1, pct_start=0.5,"
        " convert_to_iter_based=True)"
    )
    printed = command("train", config, "--work-dir", tmp_path / "w", "--draw-schedule")
    assert "6 steps in 2 epochs; lr 0.004, at most 0.1" in printed and "warning" not in printed
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["schedule.png"]


def test_a_run_without_schedules_is_drawn_flat(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    config = tiny_config(
        "param_scheduler = None\noptim_wrapper['optimizer'] = dict(type='AdamW', lr=0.1)"
    )
    printed = command("train", config, "--work-dir", tmp_path / "w", "--draw-schedule")
    assert "lr 0.1, at most 0.1 at epoch 0, in the end 0.1" in printed
