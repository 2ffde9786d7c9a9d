from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from torch import Tensor, nn

from tresnet_tasks.training.hooks import SWAHook
from tresnet_tasks.training.launch import (
    LaunchOptions,
    build_runner,
    load_config,
    prepare_config,
    run_training,
)
from tresnet_tasks.upstream.checkpoints import read_checkpoint

MORE = """
train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=1)
param_scheduler = dict(type='CosineAnnealingLR', eta_min=0.01, end=2, convert_to_iter_based=True)
default_hooks['checkpoint'] = dict(max_keep=-1, save_best=None)
custom_hooks = [dict(type='SWAHook', epochs=3)]
"""


class Ends(Hook):
    """The parameters that each epoch ends with, and those of each validation."""

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self.trained: list[dict[str, Tensor]] = []
        self.validated: list[dict[str, Tensor]] = []

    def after_train_epoch(self, runner: Any) -> None:
        self.trained.append(copied(runner.model))

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if batch_idx == 0:
            self.validated.append(copied(runner.model))


def copied(model: nn.Module) -> dict[str, Tensor]:
    model = getattr(model, "module", model)
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def train(config: Path, work_dir: Path, **changes: Any) -> tuple[Any, Ends]:
    options = LaunchOptions(str(work_dir), seed=1, **changes)
    runner = build_runner(prepare_config(load_config(str(config)), options), options)
    ends = Ends()
    runner.register_hook(ends)
    run_training(runner)
    return runner, ends


def test_the_last_epochs_are_averaged_validated_and_saved_with_statistics_of_their_own(
    tiny_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = tiny_config(f"{MORE}train_dataloader['drop_last'] = False")
    runner, ends = train(config, tmp_path)
    last = read_checkpoint(tmp_path / "epoch_4.pth")
    for name in ends.trained[0]:
        mean = sum(trained[name].double() for trained in ends.trained[1:]) / 3
        torch.testing.assert_close(last["state_dict"][name].double(), mean, rtol=1e-5, atol=1e-6)
        assert torch.equal(ends.validated[3][name], last["state_dict"][name])
        assert torch.equal(ends.validated[2][name], ends.trained[2][name])
    assert "swa_state_dict" not in last
    # The stem's statistics are the means over batches of what the averaged stem gives.
    stem = runner.model.backbone.body[:1], runner.model.backbone.body.conv1
    batches = list(runner.train_dataloader)
    with torch.no_grad():
        outputs = [
            stem[1].conv(stem[0](runner.model.data_preprocessor(batch)["inputs"]))
            for batch in batches
        ]
    mean = torch.stack([output.mean((0, 2, 3)) for output in outputs]).mean(0)
    torch.testing.assert_close(stem[1].bn.running_mean, mean, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("epoch", [2, 3])
def test_a_resumed_run_equals_the_straight_one(
    tiny_config: Callable[..., Path], tmp_path: Path, epoch: int
) -> None:
    config = tiny_config(MORE)
    train(config, tmp_path / "w")
    train(config, tmp_path / "r", resume=str(tmp_path / f"w/epoch_{epoch}.pth"))
    one, two = (read_checkpoint(tmp_path / name / "epoch_4.pth") for name in ("w", "r"))
    for name, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][name]), name


def test_frozen_statistics_stay(tiny_config: Callable[..., Path], tmp_path: Path) -> None:
    config = tiny_config(f"{MORE}model['backbone']['frozen_stages'] = 1")
    runner, _ = train(config, tmp_path)
    body = runner.model.backbone.body
    assert not body.conv1.bn.running_mean.any() and body.layer2[0].conv1.bn.running_mean.any()


def test_two_processes_have_one_average_and_the_same_statistics(
    tiny_config: Callable[..., Path],
    on_two_ranks: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config(f"{MORE}train_dataloader['batch_size'] = 2")

    def work(rank: int) -> None:
        for name, value in {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2}.items():
            monkeypatch.setenv(name, str(value))
        runner, _ = train(config, tmp_path / "w", launcher="pytorch")
        torch.save(runner.model.module.state_dict(), tmp_path / f"{rank}.pt")

    assert on_two_ranks(work) == [0, 0]
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("custom_hooks.append(dict(type='ModelEMAHook'))", "Leave one out"),
        ("custom_hooks[0]['epochs'] = 5", "the run has 4"),
        ("train_cfg = dict(by_epoch=False, max_iters=3)\nparam_scheduler = None", "in iterations"),
    ],
)
def test_what_cannot_be_averaged_is_refused(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path, more: str, said: str
) -> None:
    config = tiny_config(f"{MORE}{more}")
    assert said in command("train", config, "--work-dir", tmp_path / "w", status=1)


def test_one_epoch_is_no_average() -> None:
    with pytest.raises(ValueError, match="2 or more"):
        SWAHook(1)
