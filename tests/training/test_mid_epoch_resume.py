"""Going on between two checkpoints of an epoch, in this process: loops, samplers, generators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from torch import Tensor
from torch.utils.data import Dataset

from tresnet_tasks.training.hooks import StepSeedHook
from tresnet_tasks.upstream.checkpoints import read_checkpoint

EPOCHS = {"by_epoch": True, "max_epochs": 4}
ITERATIONS = {"by_epoch": False, "max_iters": 12, "val_interval": 3}


class Points(Dataset):
    metainfo = {"classes": ("minus", "plus")}  # noqa: RUF012

    def __init__(self) -> None:
        self.x = torch.randn(12, 4, generator=torch.Generator().manual_seed(7))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"inputs": self.x[index], "data_samples": (self.x[index].sum() > 0).long()}


class Stop(Hook):
    priority = "LOWEST"

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        if runner.iter + 1 == 8:  # in the third pass over the data, of 3 batches each
            raise KeyboardInterrupt


def train(
    make_runner: Any, work_dir: str, loop: dict[str, Any], sampler: str, **changes: Any
) -> None:
    loader = {
        "batch_size": 4,
        "dataset": Points(),
        "sampler": {"type": sampler, "shuffle": True, "seed": 3},
        "collate_fn": {"type": "default_collate"},
    }
    every = {"type": "SaveCheckpointHook", "by": "step", "interval": 1, "max_keep": -1}
    make_runner(
        work_dir,
        train_cfg=loop,
        train_dataloader=loader,
        hooks={"checkpoint": {**every, "save_best": None}},
        **changes,
    ).train()


@pytest.mark.parametrize("loop", [EPOCHS, ITERATIONS], ids=["epochs", "iterations"])
@pytest.mark.parametrize("sampler", ["EpochSampler", "DefaultSampler"])
@pytest.mark.parametrize("step_seed", [True, False])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_stopped_in_mid_epoch_goes_on_as_if_it_had_not(
    make_runner: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    loop: dict[str, Any],
    sampler: str,
    step_seed: bool,
    accumulate: int,
) -> None:
    """With dropout: from the numbers of the step, or the generators in the checkpoint."""
    if not step_seed:
        monkeypatch.setattr(StepSeedHook, "before_train_iter", Hook.before_train_iter)
    settings = (loop, sampler)
    train(make_runner, "straight", *settings, accumulate=accumulate)
    with pytest.raises(KeyboardInterrupt):
        train(make_runner, "stopped", *settings, accumulate=accumulate, custom_hooks=[Stop()])
    assert (tmp_path / "stopped/last_checkpoint").read_text() == "iter_8.pth"
    train(make_runner, "stopped", *settings, accumulate=accumulate, resume=True)
    straight, resumed = (
        read_checkpoint(tmp_path / name / "iter_12.pth") for name in ("straight", "stopped")
    )
    for name, value in straight["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name
    assert straight["param_schedulers"] == resumed["param_schedulers"]
    losses = [c["message_hub"]["log_scalars"]["train/loss"].data[0] for c in (straight, resumed)]
    assert losses[0].tolist() == losses[1].tolist()


def test_each_pass_of_a_run_without_epochs_has_an_order_of_its_own(
    make_runner: Any, tmp_path: Path
) -> None:
    class Watch(Hook):
        def __init__(self) -> None:
            self.first: list[float] = []

        def after_train_iter(self, runner: Any, *_: Any, **kwargs: Any) -> None:
            if runner.iter % 3 == 0:
                self.first.append(float(kwargs["data_batch"]["inputs"][0, 0]))

    for sampler in ("EpochSampler", "DefaultSampler"):
        watch = Watch()
        train(make_runner, sampler, ITERATIONS, sampler, custom_hooks=[watch])
        assert len(set(watch.first)) > 1


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_without_epochs_validates_as_often_when_it_was_stopped(
    make_runner: Any, tmp_path: Path, accumulate: int
) -> None:
    class Kill(Hook):
        def before_val_epoch(self, runner: Any) -> None:
            if runner.iter >= 6:
                raise KeyboardInterrupt

    settings = (ITERATIONS, "EpochSampler")
    changes = {"accumulate": accumulate}
    with pytest.raises(KeyboardInterrupt):
        train(
            make_runner, "run", *settings, **changes, scores=[{"top1": 0.1}], custom_hooks=[Kill()]
        )
    left = [{"top1": s} for s in (0.2, 0.3, 0.4)]  # at 6, 9 (10 with windows of 2) and 12
    train(make_runner, "run", *settings, **changes, scores=left, resume=True)
    assert not left
