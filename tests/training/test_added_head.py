"""A further head on a trained model: the others' answers stay as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tresnet_tasks.inference import Predictor
from tresnet_tasks.training.completion import complete_config
from tresnet_tasks.training.launch import load_config
from tresnet_tasks.upstream.checkpoints import read_checkpoint

WITHOUT_TAGS = """
model["heads"] = dict(
    _delete_=True,
    cls={{_base_.model.heads.cls}},
    boxes=dict(
        type="DetectorHead",
        detector=dict(
            type="FCOS",
            bbox_head={{_base_.model.heads.boxes.detector.bbox_head}},
            test_cfg=dict(
                nms={{_base_.model.heads.boxes.detector.test_cfg.nms}},
                nms_pre=200,
                max_per_img=20,
                score_thr=0.0,
            ),
        ),
    ),
)
model.update(inputs=dict(_delete_=True), loss_weights=dict(_delete_=True))
for _split, _loader in (("train", train_dataloader), ("val", val_dataloader)):
    _loader["dataset"]["readers"] = dict(
        _delete_=True,
        cls=dict(type="DigitScenes", split=_split, task="cls", **_scenes),
        boxes=dict(
            type="DigitScenes", split=_split, task="det", test_mode=_split == "val", **_scenes
        ),
    )
val_evaluator["metrics"] = dict(
    _delete_=True, cls=dict(type="Accuracy"), boxes=dict(type="DetectionMetric")
)
val_evaluator["score"] = dict(_delete_=True)
default_hooks["checkpoint"]["save_best"] = "cls/top1"
train_cfg = dict(_delete_=True, by_epoch=True, max_epochs=1)
"""
# New data have labels for the new head alone; the validation has them for all.
ADDED = """
model["frozen"] = ("backbone", "neck", "cls", "boxes")
train_dataloader["dataset"] = dict(
    readers=dict(
        _delete_=True, tags=dict(type="DigitScenes", split="train", task="tags", **_scenes)
    ),
    pipeline=[dict(type="LoadImage"), dict(type="PackTasks")],
)
load_from = "{old}"
"""


def test_the_other_heads_stay_bit_for_bit(
    joint_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    """Weights, batch statistics and answers, with averaging and weight decay."""
    old = tmp_path / "old/best.pth"
    command("train", joint_config(WITHOUT_TAGS), "--work-dir", old.parent)
    random = f'model["frozen"] = ("tags",)\nload_from = "{old}"'
    config = joint_config(random, "random.py")
    said = command("train", config, "--work-dir", tmp_path / "random", status=1)
    assert "lacks tags." in said and "model.frozen" in said

    config = joint_config(ADDED.replace("{old}", str(old)), "added.py")
    said = command("train", config, "--work-dir", tmp_path / "new")
    assert "tags.loss" in said and "cls.loss" not in said
    before, after = (
        read_checkpoint(tmp_path / run / "best.pth")["state_dict"] for run in ("old", "new")
    )
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert {name.split(".")[1] for name in after.keys() - before.keys()} == {"tags"}
    images = str(tmp_path / "scenes/val")
    answers = [Predictor(tmp_path / run / "best.pth")(images) for run in ("old", "new")]
    for one, other in zip(*answers, strict=True):
        for head in ("cls", "boxes"):
            assert np.array_equal(one[head].scores, other[head].scores)
        assert list(other["boxes"].classes) == list("0123456789")
        assert set(other.answers) == {"cls", "boxes", "tags"}


def test_a_frozen_head_without_any_data_states_its_classes(
    joint_config: Callable[..., Path],
) -> None:
    text = """
model["frozen"] = ("backbone", "more")
model["heads"] = dict(more=dict(type="LinearHead"{classes}))
"""
    config = joint_config(text.replace("{classes}", ""))
    with pytest.raises(ValueError, match="'more' is frozen"):
        complete_config(load_config(str(config)))
    config = joint_config(text.replace("{classes}", ", num_classes=7"))
    assert complete_config(load_config(str(config))).model.heads.more.num_classes == 7
