"""From a joint model to models of one task and back: the outputs are the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from tresnet_tasks.registry import MODELS, SCOPE
from tresnet_tasks.upstream.checkpoints import read_checkpoint, write_checkpoint
from tresnet_tasks.weights import join_tasks, load_weights, split_task

FCOS = {
    "type": "mmdet.FCOS",
    "bbox_head": {
        "type": "mmdet.FCOSHead",
        "num_classes": 3,
        "in_channels": 8,
        "feat_channels": 8,
        "stacked_convs": 1,
        "strides": [16, 32],
        "regress_ranges": ((-1, 16), (16, 1e8)),
        "norm_cfg": None,
    },
}
MAPPER = {"type": "mmdet.ChannelMapper", "in_channels": [64, 64], "out_channels": 8}
MODEL: dict[str, Any] = {
    "type": "MultiTaskModel",
    "backbone": {
        "type": "TResNet",
        "arch": {"layers": (1, 1, 1, 1), "width_factor": 0.125, "blocks": ("basic",) * 4},
        "out_indices": (2, 3),
    },
    "neck": {"type": "mmdet.FPN", "in_channels": [32, 64], "out_channels": 8, "num_outs": 2},
    "heads": {
        "cls": {"type": "LinearHead", "num_classes": 4, "in_channels": 64},
        "level": {"type": "LinearHead", "num_classes": 2, "in_channels": 8, "task": "multi_label"},
        "boxes": {"type": "DetectorHead", "detector": FCOS},
        "own": {
            "type": "DetectorHead",
            "detector": {**FCOS, "neck": {**MAPPER, "in_channels": [32, 64]}},
        },
        "both": {
            "type": "DetectorHead",
            "detector": {**FCOS, "neck": {**MAPPER, "in_channels": [8, 8]}},
        },
    },
    "inputs": {"level": ("neck", 0), "own": "backbone"},
}
THRESHOLDS = {"classes": ["a", "b"], "values": [0.2, 0.7], "temperature": 1.0, "rule": "f1"}


def build(config: Any, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope(SCOPE):
        model = MODELS.build(ConfigDict(config)).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    return model


def outputs(model: Any, head: str = "") -> list[Tensor]:
    torch.manual_seed(1)
    found = model(torch.rand(1, 3, 64, 64), mode="tensor")
    found = found[head] if head else found
    return [found] if isinstance(found, Tensor) else [map_ for part in found for map_ in part]


@pytest.fixture
def joint(tmp_path: Path) -> tuple[Any, Path]:
    model = build(MODEL)
    tasks = {"level": {"classes": ["a", "b"], "task": "multi_label"}}
    meta = {
        "cfg": {"model": MODEL},
        "dataset_meta": {"task": "joint", "tasks": tasks},
        "thresholds": {"tasks": {"level": THRESHOLDS}},
    }
    write_checkpoint({"state_dict": model.state_dict(), "meta": meta}, tmp_path / "joint.pth")
    return model, tmp_path / "joint.pth"


@pytest.mark.parametrize("head", MODEL["heads"])
def test_a_head_s_own_model_answers_as_it_did(
    joint: tuple[Any, Path], tmp_path: Path, head: str
) -> None:
    """Heads that read the backbone, a level, the neck; detectors with a neck of their own."""
    model, path = joint
    split_task(path, tmp_path / "alone.pth", head)
    file = read_checkpoint(tmp_path / "alone.pth")
    alone = build(file["meta"]["cfg"]["model"], seed=9)
    alone.load_state_dict(file["state_dict"])
    for one, other in zip(outputs(alone), outputs(model, head), strict=True):
        torch.testing.assert_close(one, other)


def test_classes_and_thresholds_are_those_of_the_head(
    joint: tuple[Any, Path], tmp_path: Path
) -> None:
    split_task(joint[1], tmp_path / "level.pth", "level")
    meta = read_checkpoint(tmp_path / "level.pth")["meta"]
    assert meta["thresholds"] == THRESHOLDS
    assert meta["dataset_meta"]["classes"] == ["a", "b"]
    split_task(joint[1], tmp_path / "cls.pth", "cls")
    assert "thresholds" not in read_checkpoint(tmp_path / "cls.pth")["meta"]


def test_what_was_split_is_joined_again(
    joint: tuple[Any, Path], tmp_path: Path, command: Any
) -> None:
    model, path = joint
    for head in MODEL["heads"]:
        command("convert", path, tmp_path / f"{head}.pth", "--split", head)
    others = [f"{head}={tmp_path / head}.pth" for head in MODEL["heads"] if head != "cls"]
    target = tmp_path / "again.pth"
    told = command("convert", tmp_path / "cls.pth", target, "--join", "cls", *others)
    assert "left out" not in told
    assert "kept as head 'own''s own" in told
    again = build(MODEL, seed=9)
    report = load_weights(again, target)
    assert not report.initialised and not report.ignored
    for head in MODEL["heads"]:
        for one, other in zip(outputs(again, head), outputs(model, head), strict=True):
            assert torch.equal(one, other)
    assert read_checkpoint(target)["meta"]["thresholds"] == {"tasks": {"level": THRESHOLDS}}


def test_a_trunk_that_is_another_is_left_out_and_told(
    joint: tuple[Any, Path], tmp_path: Path
) -> None:
    other = build(MODEL, seed=5)
    meta = {"cfg": {"model": MODEL}}
    write_checkpoint({"state_dict": other.state_dict(), "meta": meta}, tmp_path / "other.pth")
    split_task(joint[1], tmp_path / "boxes.pth", "boxes")
    split_task(tmp_path / "other.pth", tmp_path / "level.pth", "level")
    sources = {"boxes": tmp_path / "boxes.pth", "level": tmp_path / "level.pth"}
    told = join_tasks(sources, tmp_path / "start.pth")
    assert "backbone.* of" in told and "head 'level' was made for another" in told
    state = read_checkpoint(tmp_path / "start.pth")["state_dict"]
    for name, value in joint[0].state_dict().items():
        if name.startswith(("backbone.", "neck.", "heads.boxes.")):
            assert torch.equal(state[name], value)
    for name, value in other.state_dict().items():
        if name.startswith("heads.level."):
            assert torch.equal(state[name], value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--split", "tag"), "no head called 'tag'"),
        (("--join", "cls"), "is of several tasks"),
        (("--join", "cls", "boxes"), "expected HEAD=FILE"),
        (("--join", "cls", "cls=a.pth"), "expected HEAD=FILE"),
        (("--split", "cls", "--format", "timm"), "takes no --format timm"),
        (("--split", "cls", "--fuse"), "takes no --fuse"),
    ],
)
def test_what_cannot_be_is_refused(
    joint: tuple[Any, Path], tmp_path: Path, command: Any, words: tuple[str, ...], said: str
) -> None:
    assert said in command("convert", joint[1], tmp_path / "out.pth", *words, status=1)
    assert not (tmp_path / "out.pth").exists()


def test_a_file_is_not_replaced_unless_that_is_asked_for(
    joint: tuple[Any, Path], tmp_path: Path, command: Any
) -> None:
    (tmp_path / "out.pth").write_text("mine")
    told = command("convert", joint[1], tmp_path / "out.pth", "--split", "cls", status=1)
    assert "exists" in told and (tmp_path / "out.pth").read_text() == "mine"
    command("convert", joint[1], tmp_path / "out.pth", "--split", "cls", "--overwrite")
    told = command("convert", joint[1], tmp_path / "out.txt", "--split", "cls", status=1)
    assert "expected OUT.pth" in told


def test_a_checkpoint_of_one_task_tells_how_a_joint_model_gets_its_head(
    joint: tuple[Any, Path], tmp_path: Path
) -> None:
    split_task(joint[1], tmp_path / "cls.pth", "cls")
    (note,) = load_weights(build(MODEL, seed=9), tmp_path / "cls.pth").notes
    assert "convert" in note
    assert "--join HEAD" in note
