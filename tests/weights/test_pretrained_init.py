from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel, BaseModule
from mmengine.registry import DefaultScope
from torch import nn

from tresnet_tasks.backbones import TResNet
from tresnet_tasks.weights import PretrainedWeights


class Plain(BaseModule):
    """A module that is no TResNet."""

    def __init__(self, init_cfg: Any = None) -> None:
        super().__init__(init_cfg)
        self.fc = nn.Linear(3, 2)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    def save(content: dict[str, Any]) -> str:
        torch.save(content, tmp_path / "weights.pth")
        return str(tmp_path / "weights.pth")

    return save


def pretrained(checkpoint: str, **more: Any) -> dict[str, Any]:
    return {"type": "Pretrained", "checkpoint": checkpoint, **more}


def under_our_scope(module: BaseModule) -> Any:
    with DefaultScope.overwrite_default_scope("tresnet_tasks"):
        module.init_weights()
    return module


def same(module: nn.Module, state: dict[str, Any]) -> bool:
    own = module.state_dict()
    return all(torch.equal(own[name], value) for name, value in state.items())


def test_a_backbone_starts_from_timms_layout(tiny: Any, file: Any) -> None:
    timm = tiny["timm"].state_dict()
    net = under_our_scope(TResNet(tiny["arch"], init_cfg=pretrained(file(timm))))
    assert torch.equal(net.body.conv1.conv.weight, timm["body.conv1.conv.weight"])


def test_a_backbone_starts_from_the_official_layout(tiny: Any, file: Any, layouts: Any) -> None:
    timm = tiny["timm"].state_dict()
    weights = file({"model": layouts.official(timm)})
    net = under_our_scope(TResNet(tiny["arch"], init_cfg=pretrained(weights)))
    assert torch.equal(net.body.conv1.conv.weight, timm["body.conv1.conv.weight"])


def test_a_whole_model_starts_with_its_backbone(tiny: Any, file: Any, build: Any) -> None:
    timm = tiny["timm"].state_dict()
    model: BaseModel = build(tiny["arch"])
    model.init_cfg = pretrained(file(timm))
    under_our_scope(model)
    assert torch.equal(model.backbone.body.conv1.conv.weight, timm["body.conv1.conv.weight"])


def test_another_module_starts_from_a_state_dict(file: Any) -> None:
    state = Plain().state_dict()
    assert same(under_our_scope(Plain(pretrained(file(state)))), state)


def test_another_module_starts_from_a_part_of_a_checkpoint(file: Any) -> None:
    state = Plain().state_dict()
    content = {"state_dict": {f"module.neck.{name}": value for name, value in state.items()}}
    assert same(under_our_scope(Plain(pretrained(file(content), prefix="neck."))), state)


def test_a_file_with_nothing_for_the_module_is_refused(file: Any) -> None:
    weights = file({"neck.fc.weight": torch.zeros(2, 3), "neck.fc.bias": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"neck\.fc\.weight.*fc\.weight.*prefix="):
        PretrainedWeights(weights)(Plain())


@pytest.mark.parametrize("make", [Plain, lambda: TResNet()], ids=["other", "tresnet"])
def test_a_file_that_carries_code_is_refused(make: Any, payload: Any, file: Any) -> None:
    with pytest.raises(ValueError, match="is refused"):
        PretrainedWeights(file({"state_dict": {}, "meta": payload}))(make())
    assert not payload.marker.exists()


@pytest.mark.parametrize("make", [Plain, lambda: TResNet()], ids=["other", "tresnet"])
def test_a_missing_file_is_named(make: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.pth"):
        PretrainedWeights(str(tmp_path / "gone.pth"))(make())
