from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tresnet_tasks.training import find_lr as module
from tresnet_tasks.training.find_lr import LRSearch, find_lr
from tresnet_tasks.training.launch import LaunchOptions, load_config
from tresnet_tasks.training.trial import EnoughError

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
        "custom_hooks = [dict(type='ModelEMAHook'), dict(type='FreezeStagesHook', stages={0: 0})]"
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
    found.rates, found.raw = np.geomspace(1e-5, 1, 101).tolist(), [2.0] * 60 + [1.0] * 41
    found.losses = [2.0] * 80 + [1.0] + [1.5] * 20  # least at 0.1
    assert "suggested learning rate: 0.01" in str(found) and "optimizer.lr=0.04\n" in str(found)


def swept(loss: Callable[[float], float], noise: float, **arguments: Any) -> LRSearch:
    """A sweep over noisy losses that are a function of the rate."""
    sweep = module._Sweep(*{"low": 1e-5, "high": 1.0, "steps": 100, **arguments}.values())
    sweep._groups = []
    runner = SimpleNamespace(optim_wrapper=SimpleNamespace(should_update=lambda: True))
    generator = np.random.default_rng(3)
    with pytest.raises(EnoughError):
        for rate in sweep._planned:
            sweep.before_train_iter(runner, 0)
            value = loss(rate) + noise * generator.standard_normal()
            sweep.after_train_iter(runner, 0, outputs={"loss": torch.tensor(value)})
    return sweep.found


def falls(rate: float) -> float:
    """From 2 to 1 around 1e-3; beyond 0.1 it rises."""
    return 2 - 1 / (1 + 1e-3 / rate) + max(0.0, rate - 0.1) * 5


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
def test_a_tenth_of_the_rate_of_the_least_loss_is_suggested(noise: float) -> None:
    found = swept(falls, noise)
    assert found.suggestion is not None and 0.004 < found.suggestion < 0.02
    assert found.suggestion == pytest.approx(found.rates[found.least] / 10)
    assert f"rate: {found.suggestion:.2g}, a tenth of the rate of the least" in str(found)


@pytest.mark.parametrize("slope", [0.0, 0.01])
@pytest.mark.parametrize("noise", [0.02, 0.5])
def test_a_fall_within_the_noise_gives_no_suggestion(noise: float, slope: float) -> None:
    # A flat loss, or one that falls by half of the smaller noise in each of the five decades.
    found = swept(lambda rate: 2.3 - slope * math.log10(rate / 1e-5) * noise / 0.02, noise)
    assert found.suggestion is None
    told = str(found)
    assert told.startswith("no suggestion: ") and "no clear fall" in told
    assert "compare short runs" in told and "--cfg-options" not in told


def test_the_first_steps_alone_are_not_taken_for_a_fall() -> None:
    losses = iter([2.4, 2.2, *([2.3, 2.29] * 49)])
    assert swept(lambda rate: next(losses), 0.0).suggestion is None


def test_a_loss_that_rises_gives_no_suggestion() -> None:
    assert swept(lambda rate: 2 + rate, 0.0).suggestion is None


def test_divergence_is_told_where_it_was_seen() -> None:
    exploding = swept(lambda rate: 2.0 if rate < 0.3 else 200.0, 0.01)
    assert exploding.diverged and exploding.rates[-1] < 0.5
    assert f"training diverges at about {exploding.rates[-1]:.2g}" in str(exploding)
    undefined = swept(lambda rate: falls(rate) if rate < 0.3 else math.nan, 0.01)
    assert "a tenth of" in str(undefined) and "training diverges at about 0.28" in str(undefined)
    for found in (swept(falls, 0.01), swept(lambda rate: 2.0, 0.01)):
        assert not found.diverged and "diverges" not in str(found)


def test_a_fall_to_the_end_of_the_sweep_is_told() -> None:
    assert "still fell at the last rate" in str(swept(falls, 0.0, high=1e-3))
    assert "still fell at the last rate" not in str(swept(falls, 0.0))
