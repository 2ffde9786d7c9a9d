"""A joint run that is killed in mid-epoch and resumed equals the undisturbed one, bit for bit."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.upstream.checkpoints import read_checkpoint

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks runs")

# Two data sets of different sizes, 9 steps an epoch, of which two make one of the optimizer.
EVERYTHING = """
model.update(
    balance="pcgrad", balance_interval=2, uncertainty=True,
    data_preprocessor=dict(batch_statistics="per_source"),
)
train_dataloader = dict(
    _delete_=True,
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    collate_fn=dict(type="collate"),
    sampler=dict(type="TaskSampler", images=dict(cls=2, scenes=2)),
    dataset=dict(
        type="MultiTaskDataset",
        datasets=dict(
            cls=dict(
                type="DigitScenes", split="train", task="cls",
                **dict(_scenes, num_train=18),
                pipeline=[
                    dict(type="LoadImage"),
                    dict(type="TorchVision", name="RandAugment"),
                    dict(type="PackClsInputs"),
                ],
            ),
            scenes=dict(
                type="JointDataset",
                readers=dict(
                    tags=dict(type="DigitScenes", split="train", task="tags", **_scenes),
                    boxes=dict(type="DigitScenes", split="train", task="det", **_scenes),
                ),
                pipeline={{_base_.train_dataloader.dataset.pipeline}},
            ),
        ),
    ),
)
optim_wrapper = dict(accumulative_counts=2)
custom_hooks = [
    dict(type="ModelEMAHook", decay=0.9), dict(type="TaskGradientsHook", interval=2)
]
default_hooks.update(
    checkpoint=dict(type="SaveCheckpointHook", interval=1, by="step", max_keep=2), report=None
)
"""


@pytest.fixture(scope="module")
def runs() -> Any:
    """The module beside this file; tests are no package."""
    path = Path(__file__).with_name("killed_runs.py")
    spec = importlib.util.spec_from_file_location("killed_runs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["killed_runs"] = module
    spec.loader.exec_module(module)
    return module


def test_a_joint_run_killed_in_mid_epoch_and_resumed_equals_the_straight_one(
    runs: Any, joint_config: Callable[..., Path], tmp_path: Path
) -> None:
    """Balanced by gradients and uncertainty, accumulated, averaged, with two workers."""
    config = joint_config(EVERYTHING)
    killed, straight, log = tmp_path / "killed", tmp_path / "straight", tmp_path / "killed.log"
    runs.finish(runs.start(config, straight, seed=3), tmp_path / "straight.log")
    runs.finish(runs.start(config, killed, seed=3, kill_at=14), log, expected=-signal.SIGKILL)
    newest = max(killed.glob("iter_*.pth"), key=lambda path: int(path.stem[5:]))
    meta = read_checkpoint(newest)["meta"]
    assert (meta["epoch"], 9 < meta["iter"] < 14) == (1, True)
    runs.finish(runs.start(config, killed, resume=True), log)
    assert f"resumed from {newest}" in log.read_text()
    logs = ("train/cls.loss", "train/grad_cos.cls~boxes", "val/score")
    runs.assert_same_end(straight, killed, ("train/loss", *logs))
