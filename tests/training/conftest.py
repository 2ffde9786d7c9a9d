from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.data import Dataset

from tresnet_tasks.upstream.runner import TaskRunner


class Points(Dataset):
    """``length`` points in 4 dimensions; the class is the sign of their sum."""

    metainfo = {"classes": ("minus", "plus"), "task": "single_label"}  # noqa: RUF012

    def __init__(self, length: int = 12) -> None:
        self.x = torch.randn(length, 4, generator=torch.Generator().manual_seed(7))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"inputs": self.x[index], "data_samples": (self.x[index].sum() > 0).long()}


class Net(BaseModel):
    """Draws (dropout), normalises (buffers) and classifies."""

    def __init__(self, width: int = 8, dropout: float = 0.3) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)
        )
        self.fc = nn.Linear(width, 2)

    def forward(self, inputs: Tensor, data_samples: Tensor, mode: str = "tensor") -> Any:
        logits = self.fc(self.body(inputs))
        if mode == "loss":
            return {"loss": nn.functional.cross_entropy(logits, data_samples)}
        return logits


class Scores(BaseMetric):
    """Reports prepared numbers, one dict a validation."""

    def __init__(self, scores: list[dict[str, float]]) -> None:
        super().__init__(prefix="accuracy")
        self.scores = scores

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: Any) -> dict[str, float]:
        return self.scores.pop(0)


@pytest.fixture
def make_runner(tmp_path: Path) -> Any:
    """A factory of small runners with this project's hooks; ``scores`` turns validation on."""

    def make(work_dir: str | Path = "run", **changes: Any) -> TaskRunner:
        torch.manual_seed(0)
        scores = changes.pop("scores", None)
        hooks = changes.pop("hooks", {})
        custom_hooks = changes.pop("custom_hooks", [])
        model = changes.pop("model", None) or Net()
        accumulate = changes.pop("accumulate", 1)
        loader = {"batch_size": 4, "num_workers": 0, "dataset": Points()}
        loader["collate_fn"] = {"type": "default_collate"}
        settings: dict[str, Any] = {
            "train_dataloader": {
                **loader,
                "sampler": {"type": "DefaultSampler", "shuffle": True, "seed": 3},
            },
            "train_cfg": {"by_epoch": True, "max_epochs": 4},
            "optim_wrapper": {
                "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
                "accumulative_counts": accumulate,
            },
            "param_scheduler": {
                "type": "OneCycleLR",
                "eta_max": 0.1,
                "total_steps": 12,
                "by_epoch": False,
            },
            "randomness": {"seed": 5},
            "visualizer": {
                "type": "Visualizer",
                "vis_backends": [{"type": "LocalVisBackend"}],
            },
            "default_scope": "tresnet_tasks",
        }
        if scores is not None:
            settings["val_dataloader"] = {**loader, "sampler": {"type": "DefaultSampler"}}
            settings["val_cfg"] = {}
            settings["val_evaluator"] = Evaluator([Scores(scores)])
        for key, value in changes.items():
            settings[key] = value
        plain = {k: v for k, v in settings.items() if "dataloader" not in k and "eval" not in k}
        settings.setdefault("cfg", Config(plain))
        runner = TaskRunner(
            model=model,
            work_dir=tmp_path / work_dir,
            default_hooks={
                "logger": {"type": "ProgressHook", "interval": 2, "bars": False},
                "checkpoint": {"type": "SaveCheckpointHook", "max_keep": -1},
                **hooks,
            },
            custom_hooks=[{"type": "StepSeedHook"}, *custom_hooks],
            **settings,
        )
        return runner

    return make


JOINT_CONFIG = """
_base_ = "{configs}/quickstart/multitask_digit_scenes.py"
_scenes = dict(data_root="{root}", num_train=16, num_val=6)
model = dict(
    backbone=dict(arch=dict(layers=(1, 1, 1, 1), width_factor=0.125)),
    # what hardly learnt answers hardly above 0
    heads=dict(boxes=dict(detector=dict(test_cfg=dict(score_thr=0.0)))),
)
train_dataloader = dict(
    batch_size=4,
    dataset=dict(readers=dict(cls=_scenes, tags=_scenes, boxes=_scenes)),
)
val_dataloader = dict(
    batch_size=4,
    dataset=dict(readers=dict(cls=_scenes, tags=_scenes, boxes=_scenes)),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    metrics=dict(
        cls=[dict(type="Accuracy", topk=(1,)), dict(type="ValidationLoss")],
        tags=[dict(type="MultiLabelMetric"), dict(type="ValidationLoss")],
        boxes=[dict(type="DetectionMetric"), dict(type="ValidationLoss")],
    )
)
test_evaluator = val_evaluator
train_cfg = dict(_delete_=True, by_epoch=True, max_epochs=2, val_interval=1)
param_scheduler = dict(by_epoch=True, convert_to_iter_based=True, pct_start=0.3)
default_hooks = dict(
    logger=dict(interval=1),
    checkpoint=dict(by="epoch", interval=1),
    thresholds=dict(type="ThresholdHook"),
    split_check=None,  # of so few images not all classes are in both splits
)
"""


@pytest.fixture
def joint_config(tmp_path: Path, repository: Path) -> Callable[..., Path]:
    """A factory of configs of a tiny joint model on 16 digit scenes; the text is appended."""

    def write(more: str = "", name: str = "joint.py") -> Path:
        path = tmp_path / name
        text = JOINT_CONFIG.format(configs=repository / "configs", root=tmp_path / "scenes")
        path.write_text(f"{text}{more}\n", encoding="utf-8")
        return path

    return write
