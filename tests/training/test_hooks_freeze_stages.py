from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tresnet_tasks.training.hooks import FreezeStagesHook
from tresnet_tasks.training.launch import (
    LaunchOptions,
    build_runner,
    load_config,
    prepare_config,
    run_training,
)
from tresnet_tasks.upstream.checkpoints import read_checkpoint

HOOK = "custom_hooks = [dict(type='FreezeStagesHook', stages={0: 4, 1: 2, 2: -1})]\n"
PARTS = ("backbone.body.conv1", "backbone.body.layer2", "backbone.body.layer4", "head")


def weights(path: Path, part: str) -> dict[str, Tensor]:
    state = read_checkpoint(path)["state_dict"]
    return {name: value for name, value in state.items() if name.startswith(part)}


def moved(folder: Path, number: int, name: str = "epoch_{}.pth", each: int = 1) -> list[str]:
    """The parts that changed, statistics included, in the epoch or step that ended as ``number``."""
    found = []
    for part in PARTS:
        files = (folder / name.format(n * each) for n in (number - 1, number))
        before, after = (weights(file, part) for file in files)
        if any(not torch.equal(value, after[name]) for name, value in before.items()):
            found.append(part)
    return found


def test_stages_begin_to_train_at_their_epochs(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    config = tiny_config(
        f"{HOOK}train_cfg['max_epochs'] = 4\nparam_scheduler = None\n"
        "default_hooks['checkpoint'] = dict(max_keep=-1)"
    )
    command("train", config, "--work-dir", tmp_path / "w", "--seed", "1")
    assert moved(tmp_path / "w", 2) == list(PARTS[2:])
    assert moved(tmp_path / "w", 3) == list(PARTS)
    # Resumed where stages 3 and 4 train already.
    resumed = ("--work-dir", tmp_path / "r", "--resume", tmp_path / "w/epoch_1.pth")
    command("train", config, *resumed)
    one, two = (weights(tmp_path / name / "epoch_4.pth", "") for name in ("w", "r"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_while_all_is_frozen_only_the_head_moves(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    config = tiny_config(HOOK.replace("1: 2, 2: -1", ""))
    command("train", config, "--work-dir", tmp_path / "w")
    assert moved(tmp_path / "w", 2) == ["head"]


@pytest.mark.parametrize("by_epoch", [True, False])
def test_the_head_warms_up_for_some_steps_of_accumulated_batches(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path, by_epoch: bool
) -> None:
    # 12 images in 6 batches: 3 steps an epoch, 6 in all.
    loop = "max_epochs=2" if by_epoch else "max_iters=12, val_interval=6"
    config = tiny_config(
        "custom_hooks = [dict(type='FreezeStagesHook', by='step', stages={0: 4, 2: 1, 4: -1}),\n"
        "    dict(type='ModelEMAHook', decay=0.0, warmup=False)]\n"
        f"train_cfg = dict(by_epoch={by_epoch}, {loop})\nparam_scheduler = None\n"
        "optim_wrapper['accumulative_counts'] = 2\ntrain_dataloader['batch_size'] = 2\n"
        "default_hooks['checkpoint'] = dict(by='step', interval=1, max_keep=-1)"
    )
    command("train", config, "--work-dir", tmp_path / "w", "--seed", "1")
    trained = [moved(tmp_path / "w", step, "iter_{}.pth", 2) for step in range(2, 7)]
    later = [PARTS[1], *PARTS[2:]]
    assert trained == [["head"], later, later, list(PARTS), list(PARTS)]
    command("train", config, "--work-dir", tmp_path / "r", "--resume", tmp_path / "w/iter_6.pth")
    one, two = (weights(tmp_path / name / "iter_12.pth", "") for name in ("w", "r"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_schedule_lowers_the_rate_when_all_train(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    config = tiny_config(
        "custom_hooks = [dict(type='FreezeStagesHook', stages={0: 4, 1: -1})]\n"
        "param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, T_max=200),\n"
        "    dict(type='MultiStepLR', milestones=[1], gamma=0.1)]\n"
    )
    command("train", config, "--work-dir", tmp_path / "w", "--seed", "1")
    # What the second epoch begins with.
    group = read_checkpoint(tmp_path / "w/epoch_1.pth")["optimizer"]["param_groups"][0]
    assert (group["initial_lr"], group["lr"]) == (0.02, pytest.approx(0.002, rel=1e-3))


def test_two_processes_stay_alike_while_stages_are_let_go(
    tiny_config: Callable[..., Path], on_two_ranks: Any, tmp_path: Path
) -> None:
    config = tiny_config(
        f"{HOOK}train_cfg['max_epochs'] = 3\nparam_scheduler = None\n"
        "default_hooks['checkpoint'] = dict(max_keep=-1)\ntrain_dataloader['batch_size'] = 2"
    )

    def work(rank: int) -> None:
        here = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
        os.environ.update({name: str(value) for name, value in here.items()})
        options = LaunchOptions(str(tmp_path / "w"), launcher="pytorch", seed=1)
        runner = build_runner(prepare_config(load_config(str(config)), options), options)
        run_training(runner)
        parameters = runner.model.module.named_parameters()
        torch.save(dict(parameters), tmp_path / f"{rank}.pt")

    assert on_two_ranks(work) == [0, 0]
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert moved(tmp_path / "w", 2) == list(PARTS[2:])
    assert moved(tmp_path / "w", 3) == list(PARTS)


def test_two_words_about_what_is_frozen_are_refused() -> None:
    backbone = SimpleNamespace(frozen_stages=1)
    runner = SimpleNamespace(model=SimpleNamespace(backbone=backbone))
    with pytest.raises(ValueError, match="Leave frozen_stages out"):
        FreezeStagesHook({0: 4}).before_train(runner)


def test_epochs_of_a_run_counted_in_iterations_are_refused(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    config = tiny_config(
        f"{HOOK}train_cfg = dict(by_epoch=False, max_iters=3)\nparam_scheduler = None"
    )
    printed = command("train", config, "--work-dir", tmp_path / "w", status=1)
    assert "by='step'" in printed


@pytest.mark.parametrize(
    ("by", "stages", "told"),
    [
        (
            "step",
            "{0: 4, 2: 1, 6: -1, 9: 0}",
            "has 6 steps: it ends before 6, with frozen_stages=1",
        ),
        ("epoch", "{0: 4, 2: -1}", "has 2 epochs: it ends before 2, with frozen_stages=4"),
        ("step", "{0: 4, 5: -1}", None),
        ("epoch", "{0: 4, 1: -1}", None),
    ],
)
def test_a_boundary_that_the_run_does_not_reach_is_told(
    tiny_config: Callable[..., Path],
    command: Any,
    tmp_path: Path,
    by: str,
    stages: str,
    told: str | None,
) -> None:
    # 2 epochs of 3 steps.
    config = tiny_config(
        f"custom_hooks = [dict(type='FreezeStagesHook', by='{by}', stages={stages})]"
    )
    printed = command("train", config, "--work-dir", tmp_path / "w")
    assert (told in printed) if told else ("it ends before" not in printed)


def test_a_model_that_cannot_be_frozen_is_refused(make_runner: Any) -> None:
    with pytest.raises(ValueError, match="without a backbone"):
        make_runner(custom_hooks=[FreezeStagesHook({0: 4})]).train()


@pytest.mark.parametrize("stages", [{}, {1: 2}, {0: 5}, {0: 1, -1: 2}])
def test_stages_out_of_range_are_refused(stages: dict[int, int]) -> None:
    with pytest.raises(ValueError, match=r"stages=.*expected"):
        FreezeStagesHook(stages)
