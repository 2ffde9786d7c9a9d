"""How FCOS begins under our configs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tresnet_tasks.registry import MODELS

BASE = Path(__file__).resolve().parents[2] / "configs" / "_base_" / "models" / "fcos.py"


@pytest.mark.parametrize("seed", range(4))
def test_every_side_of_a_box_can_learn_from_the_first_step(seed: int) -> None:
    """mmdet clamps the distances at zero, where no gradient comes back."""
    head = Config.fromfile(BASE).model.bbox_head
    torch.manual_seed(seed)
    built = MODELS.build({**head, "num_classes": 3, "in_channels": 256})
    built.init_weights()
    distances = []
    built.conv_reg.register_forward_hook(lambda module, inputs, output: distances.append(output))
    built([torch.randn(1, 256, side, side) for side in (16, 8, 4, 2, 1)])
    above = (distances[0] > 0).float().mean(dim=(0, 2, 3))
    assert above.min() > 0.95, above
