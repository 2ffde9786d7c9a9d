from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tresnet_tasks.training import dry_run as module
from tresnet_tasks.training.dry_run import DryRun, dry_run
from tresnet_tasks.training.launch import LaunchOptions, load_config

Write = Callable[..., Path]


def run(config: Path, **options: bool) -> DryRun:
    return dry_run(load_config(str(config)), LaunchOptions(**options))


def test_it_counts_the_steps_of_the_whole_run(tiny_config: Write) -> None:
    found = run(tiny_config())
    assert (found.steps, found.batch_size) == (2 * 3, 4)
    assert found.checkpoint_mib > 0.1 and found.memory_mib > 10


def test_it_works_where_the_whole_run_is_one_step(tiny_config: Write) -> None:
    config = tiny_config(
        "train_cfg = dict(by_epoch=True, max_epochs=1)\n"
        "train_dataloader['batch_size'] = 12\n"
        "param_scheduler = dict(type='OneCycleLR', eta_max=0.1, total_steps=1)"
    )
    assert run(config).steps == 1


def test_it_works_for_a_run_counted_in_iterations(tiny_config: Write) -> None:
    config = tiny_config(
        "train_cfg = dict(by_epoch=False, max_iters=50, val_interval=10)\n"
        "param_scheduler = dict(type='OneCycleLR', eta_max=0.1, total_steps=50, by_epoch=False)\n"
        "default_hooks['checkpoint'] = dict(by='step', interval=10)"
    )
    assert run(config).steps == 50


def test_it_works_without_validation_and_with_an_average(tiny_config: Write) -> None:
    config = tiny_config(
        "val_dataloader = val_evaluator = val_cfg = None\n"
        "custom_hooks = [dict(type='ModelEMAHook')]"
    )
    assert run(config, channels_last=True).steps == 6


def test_hooks_are_told_the_length_of_the_whole_run(
    tiny_config: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    # 12 steps in 4 epochs; the last 3 are more than a dry run makes.
    config = tiny_config(
        "train_cfg['max_epochs'] = 4\n"
        "custom_hooks = [dict(type='SWAHook', epochs=3),\n"
        "    dict(type='FreezeStagesHook', stages={0: 4, 8: -1}, by='step')]"
    )
    assert run(config).steps == 12
    assert "FreezeStagesHook" not in "".join(capfd.readouterr())


def test_loading_validation_and_warm_up_are_not_in_the_time_of_a_step(
    tiny_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(module, "_now", lambda: float(next(clock)))
    # Each step asks the clock at its start and at its end, and nothing else asks it.
    assert run(tiny_config()).step_seconds == 1.0


def test_the_config_is_as_it_was(tiny_config: Write) -> None:
    cfg = load_config(str(tiny_config()))
    before = cfg.to_dict()
    dry_run(cfg, LaunchOptions())
    assert cfg.to_dict() == before


def test_it_fails_where_the_run_would(tiny_config: Write) -> None:
    config = tiny_config("default_hooks['checkpoint'] = dict(save_best='topp1')")
    with pytest.raises(ValueError, match="Did you mean 'top1'"):
        run(config)


def test_its_words() -> None:
    text = str(DryRun(0.5, 64, 7200, 2048.0, 120.0))
    assert "0.5 s a step (128 img/s); 7,200 steps take 1:00:00" in text
    assert "2,048 MiB at the peak, checkpoints of 120.0 MiB" in text


def test_it_works_where_a_schedule_begins_after_its_own_few_steps(tiny_config: Write) -> None:
    config = tiny_config(
        "train_cfg['max_epochs'] = 8\n"
        "optim_wrapper['accumulative_counts'] = 2\n"
        "param_scheduler = [dict(type='LinearLR', start_factor=0.1, end=3),\n"
        "    dict(type='CosineAnnealingLR', begin=3, T_max=5, convert_to_iter_based=True)]"
    )
    assert run(config).steps == 8 * 3
