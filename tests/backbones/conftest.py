"""Small TResNets that have every part of a published one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tresnet_tasks.backbones import TResNet

TINY = {
    "layers": (1, 1, 1, 1),
    "width_factor": 0.25,
    "blocks": ("basic", "basic", "bottleneck", "bottleneck"),
}


def randomise_norms(module: nn.Module, seed: int = 0) -> None:
    """Give every BatchNorm weights of both signs, zeros among them, and other statistics."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm2d):
                draw = torch.rand(norm.num_features, generator=generator)
                norm.weight.uniform_(0.3, 1.2, generator=generator)
                norm.weight[draw < 0.15] *= -1
                norm.weight[draw > 0.95] = 0
                norm.bias.normal_(0, 0.2, generator=generator)
                norm.running_mean.normal_(0, 0.3, generator=generator)
                norm.running_var.uniform_(0.5, 2, generator=generator)


@pytest.fixture
def tiny_arch() -> dict[str, Any]:
    return dict(TINY)


@pytest.fixture
def make_tiny() -> Any:
    """A function that builds a tiny TResNet whose every parameter matters."""

    def make(**kwargs: Any) -> TResNet:
        torch.manual_seed(0)
        net = TResNet(**{"arch": TINY, **kwargs})
        randomise_norms(net)
        return net

    return make


@pytest.fixture(scope="session")
def randomise() -> Any:
    return randomise_norms
