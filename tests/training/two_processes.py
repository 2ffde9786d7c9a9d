"""What `test_two_processes.py` runs in each of two processes, under torchrun.

``two_processes.py CONFIG KILLING_CONFIG FOLDER``: writes ``FOLDER/found_RANK.json`` and the checkpoints of its
runs below ``FOLDER``. In its first life it ends by killing rank 1 in the middle of an epoch.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from torch import distributed, nn

from tresnet_tasks.commands.main import main
from tresnet_tasks.layers import ABN, SyncABN
from tresnet_tasks.registry import HOOKS
from tresnet_tasks.training.launch import (
    LaunchOptions,
    build_runner,
    load_config,
    prepare_config,
    run_training,
)
from tresnet_tasks.training.processes import check_agreement


@HOOKS.register_module()
class KillOnceHook(Hook):
    """Kills rank 1, once, at an iteration."""

    def __init__(self, at: int) -> None:
        self.at = at

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        first_life = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
        if first_life and runner.iter == self.at and get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)


class Recorder(Hook):
    """Losses of each step, metrics of each validation, and a sum of the buffers it was made with."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.found: dict[str, Any] = {"losses": [], "metrics": [], "buffers": []}

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any, outputs: Any) -> None:
        self.found["losses"].append(outputs["loss"].item())

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if batch_idx == 0:
            values = [buffer.double().sum().item() for buffer in runner.model.buffers()]
            self.found["buffers"].append(values)

    def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
        matrix = runner.val_loop.evaluator.metrics[0].confusion_matrix  # rank 0's
        counted = None if matrix is None else int(matrix.sum())
        self.found["metrics"].append({**metrics, "images": counted})


# A loss that is a sum over the images, with their mean gradient of a step as large as usual.
SUMMED = (
    "train_cfg.max_epochs=2",
    "model.head.loss.type=AsymmetricSingleLabelLoss",
    "model.head.loss.reduction=sum",
    "model.head.loss.loss_weight=0.2",
)


def train(config: str, work_dir: Path, *overrides: str, **options: Any) -> dict[str, Any]:
    """Train as the command does; returns what was recorded."""
    chosen = LaunchOptions(work_dir=str(work_dir), seed=1, **options)
    runner = build_runner(prepare_config(load_config(config, overrides), chosen), chosen)
    recorder = Recorder()
    runner.register_hook(recorder)
    run_training(runner)
    return recorder.found


def normalised(sizes: list[int]) -> list[float]:
    """The largest errors of `SyncABN` on split batches, against `ABN` on the whole."""
    torch.manual_seed(0)
    x, grad = torch.randn(7, 5, 4, 4) * 3 + 2, torch.randn(7, 5, 4, 4)
    whole = ABN(5, 1e-3)
    nn.init.normal_(whole.weight)
    nn.init.normal_(whole.bias)
    split = ABN(5, 1e-3)
    split.load_state_dict(whole.state_dict())
    SyncABN.convert(split)
    x.requires_grad_()
    y = whole(x)
    y.backward(grad)
    rank = get_rank()
    part = x.detach().split(sizes)[rank].clone().requires_grad_()
    out = split(part)
    out.backward(grad.split(sizes)[rank])
    for parameter in split.parameters():
        distributed.all_reduce(parameter.grad)
    pairs = [
        (out, y.split(sizes)[rank]),
        (part.grad, x.grad.split(sizes)[rank]),
        (split.weight.grad, whole.weight.grad),
        (split.bias.grad, whole.bias.grad),
        (split.running_mean, whole.running_mean),
        (split.running_var, whole.running_var),
    ]
    return [(a - b).abs().max().item() if a.numel() else 0.0 for a, b in pairs]


def disagreement() -> str:
    """What is said when rank 1 has another learning rate."""
    try:
        check_agreement({"config": {"lr": get_rank(), "seed": 1}})
    except ValueError as error:
        return str(error)
    return ""


def first_life(config: str, folder: Path) -> dict[str, Any]:
    """Everything but the restart."""
    sharded = "model_wrapper_cfg.type=ShardedModel"
    one_epoch = "train_cfg.max_epochs=1"
    found = {
        name: train(
            config, folder / name, "sync_bn=True", *overrides, launcher="pytorch", **options
        )
        for name, overrides, options in (
            ("replicated", (), {}),
            ("sharded", (sharded,), {}),
            ("resharded", (sharded,), {"resume": str(folder / "replicated" / "epoch_5.pth")}),
            ("plain", (one_epoch, "model.backbone.abn=plain"), {}),
            ("recomputed", (one_epoch, "model.backbone.with_cp=True"), {}),
            ("channels_last", (one_epoch,), {"channels_last": True}),
            ("summed", SUMMED, {}),
        )
    }
    found["apart"] = train(config, folder / "apart", "train_cfg.max_epochs=5", launcher="pytorch")
    found["normalised"] = {str(sizes): normalised(sizes) for sizes in ([3, 4], [7, 0], [1, 6])}
    found["disagreement"] = disagreement()
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    config, killing, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        found = first_life(config, folder)
        (folder / f"found_{get_rank()}.json").write_text(json.dumps(found), encoding="utf-8")
    elif not (folder / "found_0.json").exists():
        sys.exit("the first life failed")
    options = ("--work-dir", str(folder / "killed"), "--seed", "1")
    sys.exit(main(["train", killing, *options, "--launcher", "pytorch", "--resume"]))
