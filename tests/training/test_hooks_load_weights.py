from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.model import BaseModel

from tresnet_tasks.backbones import TResNet
from tresnet_tasks.training.hooks import LoadWeightsHook

ARCH = {
    "layers": (1, 1, 1, 1),
    "width_factor": 0.125,
    "blocks": ("basic", "basic", "bottleneck", "bottleneck"),
}


class Net(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = TResNet(arch=ARCH)

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:
        return self.backbone(inputs)


def test_it_loads_before_the_first_step_and_says_what(
    make_runner: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = TResNet(arch=ARCH)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    runner = make_runner(model=Net())
    LoadWeightsHook(str(tmp_path / "weights.pth")).before_train(runner)
    loaded = runner.model.backbone.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in source.state_dict().items())
    assert "tensors loaded" in capsys.readouterr().out
