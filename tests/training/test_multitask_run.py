"""A joint run from its config: training, evaluation, resuming, and one task cut out of it."""

from __future__ import annotations

import json
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


@pytest.fixture
def config(joint_config: Callable[..., Path]) -> Path:
    return joint_config()


def test_a_joint_model_trains_resumes_and_is_evaluated(
    config: Path, tmp_path: Path, command: Any
) -> None:
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    said = command("train", config, "--work-dir", straight)
    assert "trunk grad_norm.cls" in said
    for name in ("cls/top1", "tags/mAP", "boxes/AP50", "score", "boxes/val/loss"):
        assert f"{name} " in said
    assert "head tags: thresholds by f1" in said
    command("train", config, "--work-dir", stopped, "--resume", straight / "epoch_1.pth")
    ends = [read_checkpoint(run / "epoch_2.pth")["state_dict"] for run in (straight, stopped)]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())

    metrics = tmp_path / "metrics.json"
    command("test", config, straight / "best.pth", "--out", metrics)
    found = json.loads(metrics.read_text(encoding="utf-8"))
    assert {"cls/top1", "tags/mAP", "boxes/AP50", "tags/val/loss"} < set(found)
    assert found["tags/macro_F1_tuned"] >= found["tags/macro_F1"]  # found on the same data
    thresholds = read_checkpoint(straight / "best.pth")["meta"]["thresholds"]["tasks"]
    assert list(thresholds) == ["tags"]

    images, answers = tmp_path / "scenes/val", tmp_path / "answers.json"
    out = ("--out", answers, "--draw", tmp_path / "drawn", "--thresholds", "0.001")
    command("predict", straight / "best.pth", images, *out)
    told = json.loads(answers.read_text(encoding="utf-8"))
    assert [sorted(answer["tasks"]) for answer in told] == [["boxes", "cls", "tags"]] * 6
    assert told[0]["tasks"]["boxes"]["detections"]
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 7
    command("predict", straight / "best.pth", images, "--out", tmp_path / "answers.csv")
    table = (tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()
    assert table[0] == "path,cls,cls_scores,tags,tags_scores,boxes,boxes_scores,boxes_bboxes"
    assert len(table) == 7

    for head in ("cls", "tags", "boxes"):
        command("convert", straight / "best.pth", tmp_path / f"{head}.pth", "--split", head)
        alone = Predictor(tmp_path / f"{head}.pth")(str(images))
        for one, joint in zip(alone, Predictor(straight / "best.pth")(str(images)), strict=True):
            both = min(
                len(one.scores), len(joint[head].scores)
            )  # boxes near the threshold may differ
            assert np.allclose(one.scores[:both], joint[head].scores[:both], atol=1e-4)
            if head == "tags":
                assert np.allclose(one.thresholds, thresholds["tags"]["values"])
                assert np.allclose(joint[head].thresholds, thresholds["tags"]["values"])


def test_what_follows_from_the_data_is_filled_in(config: Path) -> None:
    model = complete_config(load_config(str(config))).model
    assert model.heads.cls.num_classes == model.heads.tags.num_classes == 10
    assert model.heads.tags.task == "multi_label"
    assert model.heads.cls.in_channels == 256
    assert model.heads.tags.in_channels == 128  # of the map that it reads
    assert model.heads.boxes.detector.bbox_head.num_classes == 10
    assert model.heads.boxes.detector.bbox_head.in_channels == 32
    assert model.neck.in_channels == [8, 16, 128, 256]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("model.heads.cls.num_classes=3", "num_classes=3"),
        ("train_dataloader.dataset.readers.box={'type': 'DigitScenes'}", "'box'"),
        ("model.heads.more={'type': 'LinearHead'}", "no training data has labels"),
        ("train_dataloader.dataset.readers.boxes.task='cls'", "have no boxes"),
        ("train_dataloader.dataset.readers.cls.task='det'", "are boxes"),
        ("train_dataloader.dataset={'type': 'DigitScenes'}", "JointDataset"),
    ],
)
def test_heads_and_data_that_do_not_match_are_refused(config: Path, change: str, said: str) -> None:
    overrides = [change]
    if "dataset={" in change:
        overrides = ["train_dataloader.dataset={'_delete_': True, 'type': 'DigitScenes'}"]
    with pytest.raises(ValueError, match=said):
        complete_config(load_config(str(config), overrides))


def test_the_checkpoint_of_a_single_task_is_told_from_that_of_several(
    config: Path, tiny_config: Callable[..., Path]
) -> None:
    with pytest.raises(ValueError, match="of a model with several heads, but the checkpoint of a"):
        complete_config(load_config(str(config)), ("cat", "dog"))
    with pytest.raises(ValueError, match="of a model of one task, but the checkpoint of a model"):
        complete_config(load_config(str(tiny_config())), {"cls": ("cat", "dog")})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("model.loss_weights.tags=1e40", "not finite in iteration 1: loss inf, tags.loss inf"),
        ("train_dataloader.batch_size=64", "(16 images) do not fill one batch of 64"),
    ],
)
def test_a_run_that_cannot_go_on_says_which_head_or_which_number(
    config: Path, command: Any, tmp_path: Path, change: str, said: str
) -> None:
    printed = command(
        *("train", config, "--work-dir", tmp_path / "run", "--cfg-options", change), status=1
    )
    assert said in printed
    if "tags" in change:
        assert "Images of the batch: " in printed
