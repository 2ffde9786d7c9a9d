from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tresnet_tasks.training import find_lr as module
from tresnet_tasks.training.find_lr import find_lr
from tresnet_tasks.training.launch import LaunchOptions, load_config

Write = Callable[..., Path]


def search(config: Path, folder: Path, **arguments: Any) -> Any:
    cfg = load_config(str(config))
    before = str(cfg)
    found = find_lr(cfg, LaunchOptions(work_dir=str(folder)), **arguments)
    assert str(cfg) == before
    return found


def test_the_command_draws_the_losses_and_suggests_a_rate_to_paste(
    tiny_config: Write, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find_lr, "__defaults__", (1e-4, 0.1, 20))
    config = tiny_config(
        "param_scheduler = dict(type='OneCycleLR', eta_max=0.02)\n"
        "custom_hooks = [dict(type='ModelEMAHook'), dict(type='FreezeStagesHook', stages={0: 4})]"
    )
    printed = command("train", config, "--work-dir", tmp_path / "w", "--find-lr")
    assert "suggested learning rate: " in printed and "param_scheduler.eta_max=" in printed
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["find_lr.png"]


def test_rates_rise_evenly_and_groups_keep_their_proportion(
    tiny_config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[float]] = []
    step = module._Sweep.before_train_iter

    def watched(self: Any, runner: Any, *args: Any, **kwargs: Any) -> None:
        step(self, runner, *args, **kwargs)
        groups = runner.optim_wrapper.optimizer.param_groups
        seen.append({round(group["lr"], 12) for group in groups})

    monkeypatch.setattr(module._Sweep, "before_train_iter", watched)
    config = tiny_config(
        "optim_wrapper.update(accumulative_counts=2,"
        " paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.0)}))\n"
        "train_dataloader['batch_size'] = 2"
    )
    found = search(config, tmp_path, low=1e-4, high=1e-2, steps=5)
    planned = np.geomspace(1e-4, 1e-2, 5).tolist()
    assert found.rates == pytest.approx(planned)
    # Two batches make a step, and both have its rate.
    expected = [{round(rate, 12), round(10 * rate, 12)} for rate in planned for _ in range(2)]
    assert seen == expected


def test_it_ends_when_the_loss_explodes(tiny_config: Write, tmp_path: Path) -> None:
    found = search(tiny_config(), tmp_path, low=1e-4, high=1e6, steps=60)
    assert len(found.losses) < 60 and all(map(math.isfinite, found.losses))


def test_a_config_that_scales_its_rates_is_told_the_rate_to_state(
    tiny_config: Write, tmp_path: Path
) -> None:
    config = tiny_config("auto_scale_lr = dict(enable=True, base_batch_size=16)")
    found = search(config, tmp_path, low=1e-4, high=1e-1, steps=12)
    assert found.scale == pytest.approx(4 / 16)
    found.suggestion = 0.01
    assert "suggested learning rate: 0.01" in str(found) and "optimizer.lr=0.04\n" in str(found)


def test_the_steepest_descent_before_the_least_loss_is_suggested() -> None:
    rates = np.geomspace(1e-6, 10, 100).tolist()
    # A logistic fall around 1e-3, then a rise: the steepest place is its middle.
    losses = [2 - 1 / (1 + (1e-3 / r) ** 2) + (50 * max(0.0, r - 0.5)) for r in rates]
    assert module._steepest(rates, losses) == pytest.approx(1e-3, rel=0.2)


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
def test_a_loss_that_never_falls_gives_no_suggestion(losses: list[float]) -> None:
    assert module._steepest([10.0**n for n in range(len(losses))], losses) is None
