"""Weights files of every layout, made from timm's network, which is the oracle."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from timm.models import tresnet as timm_tresnet
from torch import Tensor, nn

from tresnet_tasks.backbones import TResNet
from tresnet_tasks.models import Classifier

StateDict = dict[str, Any]
MIXED = ("basic", "basic", "bottleneck", "bottleneck")
BOTTLENECKS = ("bottleneck",) * 4
CLASSES = 5


class Layouts:
    """Inverse mappings: from timm's names to those of the published files."""

    @staticmethod
    def _strided(name: str) -> bool:
        """Whether a blur follows this conv, so that the layouts nest it one level deeper."""
        match = re.match(r"body\.layer([234])\.0\.conv(\d)\.", name)
        if match is None:
            return False
        bottleneck = match[1] in "34" or name in Layouts.v2_names
        return match[2] == ("2" if bottleneck else "1")

    v2_names: frozenset[str] = frozenset()

    @classmethod
    def official(cls, timm: StateDict, filters: bool = True) -> StateDict:
        cls._note(timm)
        out = {}
        for name, value in timm.items():
            deeper = ".0" if cls._strided(name) else ""
            out[
                re.sub(
                    r"\.(conv\d|downsample\.\d)\.(conv|bn)\.",
                    lambda m: f".{m[1]}{deeper}.{'0' if m[2] == 'conv' else '1'}.",  # noqa: B023
                    name,
                )
            ] = value
            if deeper and filters and name.endswith("conv.weight"):
                out[name.replace("conv.weight", "1.op.filt")] = torch.ones(len(value), 1, 3, 3)
        return out

    @classmethod
    def paddle(cls, timm: StateDict) -> dict[str, np.ndarray[Any, Any]]:
        cls._note(timm)
        leaves = {"running_mean": "_mean", "running_var": "_variance"}
        out = {}
        for name, value in timm.items():
            if name.endswith("num_batches_tracked"):
                continue
            array = value.numpy()
            deeper = ".0" if cls._strided(name) else ""
            name = re.sub(r"\.(conv\d)\.(conv|bn)\.", rf".\1{deeper}.\2.", name)
            name = re.sub(r"\.bn\.(\w+)$", lambda m: f".abn.bn.{leaves.get(m[1], m[1])}", name)
            out[name] = array.T.copy() if name == "head.fc.weight" else array
        return out

    @classmethod
    def _note(cls, timm: StateDict) -> None:
        v2 = "body.layer2.0.conv3.conv.weight" in timm
        cls.v2_names = frozenset(timm) if v2 else frozenset()


def randomised(net: nn.Module) -> nn.Module:
    """Every BN away from its start, with negative weights among them."""
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            shape = module.weight.shape
            sign = (torch.rand(shape, generator=generator) > 0.3).float() * 2 - 1
            module.weight.data = (torch.rand(shape, generator=generator) * 0.7 + 0.3) * sign
            module.bias.data = torch.randn(shape, generator=generator) * 0.2
            module.running_mean.data = torch.randn(shape, generator=generator) * 0.2
            module.running_var.data = torch.rand(shape, generator=generator) + 0.5
    return net.eval()


@pytest.fixture(scope="session")
def layouts() -> type[Layouts]:
    return Layouts


@pytest.fixture(scope="session", params=["mixed", "v2"])
def tiny(request: pytest.FixtureRequest) -> dict[str, Any]:
    """timm's network at one block a stage and 16 planes, and the arch that names it here."""
    torch.manual_seed(0)
    v2 = request.param == "v2"
    timm = timm_tresnet.TResNet([1, 1, 1, 1], num_classes=CLASSES, width_factor=0.25, v2=v2)
    blocks = BOTTLENECKS if v2 else MIXED
    return {
        "timm": randomised(timm),
        "arch": {"layers": (1, 1, 1, 1), "width_factor": 0.25, "blocks": blocks},
    }


@pytest.fixture(scope="session")
def randomise() -> Callable[[nn.Module], nn.Module]:
    return randomised


@pytest.fixture(scope="session")
def build() -> Callable[..., Classifier]:
    """A classifier for an arch."""

    def classifier(arch: Any, num_classes: int = CLASSES, **backbone: Any) -> Classifier:
        settings = {"type": "TResNet", "arch": arch, **backbone}
        width = TResNet.feature_spec(arch).channels[-1]
        head = {"type": "LinearHead", "num_classes": num_classes, "in_channels": width}
        return Classifier(settings, head).eval()

    return classifier


@pytest.fixture(scope="session")
def same_logits() -> Callable[..., None]:
    """Compare a classifier with timm's network, relative to the largest logit."""

    def check(ours: nn.Module, timm: nn.Module, size: int = 64) -> None:
        images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(2))
        with torch.no_grad():
            expected: Tensor = timm(images)
            got: Tensor = ours(images)
        assert float((got - expected).abs().max() / expected.abs().max()) <= 1e-5

    return check


class Payload:
    """Pickles to a call that leaves a file behind."""

    def __init__(self, marker: Path, function: Any = os.system) -> None:
        self.marker, self.function = marker, function

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return self.function, (f"touch {self.marker}",)


@pytest.fixture
def payload(tmp_path: Path) -> Payload:
    return Payload(tmp_path / "ran")


@pytest.fixture
def save_pdparams(tmp_path: Path) -> Callable[..., Path]:
    def save(obj: Any, protocol: int = 4) -> Path:
        path = tmp_path / "weights.pdparams"
        path.write_bytes(pickle.dumps(obj, protocol=protocol))
        return path

    return save
