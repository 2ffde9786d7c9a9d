"""Accumulated gradients: as one large batch, with everything that follows the optimizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.data import Dataset

from tresnet_tasks.heads import MultiLabel
from tresnet_tasks.structures import ClsDataSample
from tresnet_tasks.training.hooks import ModelEMAHook, SummedLossHook
from tresnet_tasks.upstream.checkpoints import read_checkpoint

SCHEDULES = {
    "one_cycle": {"type": "OneCycleLR", "eta_max": 0.1, "total_steps": 9, "by_epoch": False},
    "by_epoch": {"type": "CosineAnnealingLR", "T_max": 3, "convert_to_iter_based": True},
    "warm_up": {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False},  # ends with the run
}


class Points(Dataset):
    metainfo = {"classes": ("minus", "plus")}  # noqa: RUF012

    def __init__(self) -> None:
        self.x = torch.randn(20, 4, generator=torch.Generator().manual_seed(7))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"inputs": self.x[index], "data_samples": (self.x[index].sum() > 0).long()}


class Net(BaseModel):
    """Its norm uses the running statistics: those of a batch depend on its size."""

    def __init__(self, loss: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.task = None if loss is None else MultiLabel(2, loss)
        self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.LeakyReLU())
        self.fc = nn.Linear(8, 2)

    def train(self, mode: bool = True) -> Net:
        super().train(mode)
        self.body[1].eval()
        return self

    def forward(self, inputs: Tensor, data_samples: Tensor, mode: str = "tensor") -> Any:
        logits = self.fc(self.body(inputs))
        if self.task is None:
            return {"loss": nn.functional.cross_entropy(logits, data_samples)}
        samples = [ClsDataSample().set_gt_label(label) for label in data_samples]
        return self.task.loss(logits, samples)


def run(
    make_runner: Any, work_dir: str, batch_size: int, window: int, schedule: Any, **changes: Any
) -> Any:
    torch.manual_seed(0)
    loss = changes.pop("loss", None)
    runner = make_runner(
        work_dir,
        model=Net(loss),
        train_dataloader={
            "batch_size": batch_size,
            "dataset": Points(),
            "sampler": {"type": "EpochSampler", "seed": 3},
            "collate_fn": {"type": "default_collate"},
        },
        optim_wrapper={
            "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
            "accumulative_counts": window,
            "clip_grad": {"max_norm": 0.3},
        },
        param_scheduler=schedule,
        custom_hooks=[ModelEMAHook(decay=0.5), SummedLossHook()],
        **{"train_cfg": {"by_epoch": True, "max_epochs": 3}, **changes},
    )
    runner.train()
    return runner


def last(tmp_path: Path, work_dir: str) -> dict[str, Any]:
    folder = tmp_path / work_dir
    return read_checkpoint(folder / (folder / "last_checkpoint").read_text())


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_two_halves_equal_the_whole_batch(
    make_runner: Any, tmp_path: Path, schedule: dict[str, Any]
) -> None:
    """20 points: the last batch of an epoch has 4, as the last window, of a single micro-batch."""
    run(make_runner, "large", 8, 1, schedule)
    run(make_runner, "accumulated", 4, 2, schedule)
    large, accumulated = (last(tmp_path, name) for name in ("large", "accumulated"))
    for key in ("state_dict", "ema_state_dict"):
        for name, value in large[key].items():
            torch.testing.assert_close(accumulated[key][name], value, rtol=1e-6, atol=1e-6)
    assert large["ema_state_dict"]["steps"] == accumulated["ema_state_dict"]["steps"] == 9
    buffers = [c["optimizer"]["state"].values() for c in (large, accumulated)]
    for a, b in zip(*buffers, strict=True):
        torch.testing.assert_close(a["momentum_buffer"], b["momentum_buffer"], rtol=1e-5, atol=1e-6)
    lr = [c["optimizer"]["param_groups"][0]["lr"] for c in (large, accumulated)]
    assert lr[0] == lr[1]
    states = [
        {k: v for k, v in c["param_schedulers"][0].items() if k != "verbose"}
        for c in (large, accumulated)
    ]
    assert states[0] == states[1]
    norms = [
        c["message_hub"]["log_scalars"]["train/grad_norm"].data[0] for c in (large, accumulated)
    ]
    torch.testing.assert_close(*map(torch.as_tensor, norms), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_loss_of_several_labels_adds_up_as_in_the_whole_batch(
    make_runner: Any, tmp_path: Path, reduction: str
) -> None:
    loss = {"type": "AsymmetricLoss", "reduction": reduction}
    for name, batch, window in (("large", 8, 1), ("accumulated", 4, 2)):
        run(make_runner, name, batch, window, SCHEDULES["one_cycle"], loss=loss)
    large, accumulated = (last(tmp_path, name) for name in ("large", "accumulated"))
    for name, value in large["state_dict"].items():
        torch.testing.assert_close(accumulated["state_dict"][name], value, rtol=1e-6, atol=1e-6)
    # Clipped steps would agree even if the losses did not.
    logged = [c["message_hub"]["log_scalars"]["train/loss"].data[0] for c in (large, accumulated)]
    pairs = torch.as_tensor(logged[1][:4]).view(2, 2).mean(1)
    first = torch.as_tensor(logged[0][:1])
    torch.testing.assert_close(pairs[:1], first, rtol=1e-5, atol=1e-6)


def test_a_rate_holds_for_all_batches_of_a_window(make_runner: Any, tmp_path: Path) -> None:
    run(make_runner, "run", 4, 2, SCHEDULES["one_cycle"])
    hub = last(tmp_path, "run")["message_hub"]
    rates = hub["log_scalars"]["train/lr"].data[0].tolist()
    # 5 micro-batches an epoch: windows of 2, 2 and 1.
    windows = [
        rates[i:j] for e in (0, 5, 10) for i, j in ((e, e + 2), (e + 2, e + 4), (e + 4, e + 5))
    ]
    assert all(len(set(window)) == 1 for window in windows)
    assert len({window[0] for window in windows}) == 9


def test_without_epochs_windows_run_on_over_the_data(make_runner: Any, tmp_path: Path) -> None:
    cfg = {"by_epoch": False, "max_iters": 11}
    hook = {"checkpoint": {"type": "SaveCheckpointHook", "by": "step", "save_best": None}}
    run(make_runner, "run", 4, 2, SCHEDULES["one_cycle"], train_cfg=cfg, hooks=hook)
    assert last(tmp_path, "run")["ema_state_dict"]["steps"] == 6
    names = {path.name for path in (tmp_path / "run").glob("*.pth")}
    assert names == {"iter_8.pth", "iter_10.pth", "iter_11.pth"}
