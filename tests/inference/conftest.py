"""Checkpoints as training writes them, of a network that is built in milliseconds."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tresnet_tasks.models import Classifier

CLASSES = ("ant", "bee", "cat")
ARCH = {
    "layers": (1, 1, 1, 1),
    "width_factor": 0.125,
    "blocks": ("basic", "basic", "bottleneck", "bottleneck"),
}


def resolved_config(pipeline: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A config as training stores it: complete, plain data."""
    if pipeline is None:
        resize = {"type": "Resize", "height": 32, "width": 32}
        pipeline = [
            {"type": "LoadImage"},
            {"type": "Albumentations", "transforms": [resize]},
            {"type": "PackClsInputs"},
        ]
    return {
        "default_scope": "tresnet_tasks",
        "model": {
            "type": "Classifier",
            "backbone": {"type": "TResNet", "arch": copy.deepcopy(ARCH)},
            "head": {"type": "LinearHead", "num_classes": 3, "in_channels": 256},
        },
        "test_dataloader": {"dataset": {"type": "ImageFolder", "pipeline": pipeline}},
    }


@pytest.fixture(scope="session")
def make_config() -> Callable[..., dict[str, Any]]:
    """``resolved_config``, which gives a new one at every call."""
    return resolved_config


@pytest.fixture(scope="session")
def network() -> Classifier:
    """A network whose answers differ from image to image."""
    torch.manual_seed(0)
    config = resolved_config()["model"]
    model = Classifier(config["backbone"], config["head"])
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            module.running_mean = torch.randn(module.num_features) * 0.1
    torch.nn.init.normal_(model.head.fc.weight, std=0.1)
    model.eval()
    return model


@pytest.fixture
def save(network: Classifier, tmp_path: Path) -> Callable[..., Path]:
    """Write a checkpoint with this ``cfg``; keyword arguments go into its ``meta``."""

    def write(cfg: Any = None, name: str = "best.pth", **meta: Any) -> Path:
        path = tmp_path / name
        content = {
            "cfg": resolved_config() if cfg is None else cfg,
            "dataset_meta": {"classes": CLASSES},
            **meta,
        }
        torch.save({"state_dict": network.state_dict(), "meta": content}, path)
        return path

    return write


@pytest.fixture
def checkpoint(save: Callable[..., Path]) -> Path:
    """A checkpoint as training writes it."""
    return save()


@pytest.fixture
def pixels() -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Five images of different sizes and colours."""
    generator = np.random.default_rng(0)
    sizes = [(40, 60), (32, 32), (64, 48), (33, 57), (90, 20)]
    colours = generator.integers(0, 256, (5, 3))
    return [
        (generator.integers(0, 120, (*size, 3)) + colour // 2).astype(np.uint8)
        for size, colour in zip(sizes, colours, strict=True)
    ]


@pytest.fixture
def image_folder(pixels: list[np.ndarray[Any, np.dtype[np.uint8]]], tmp_path: Path) -> Path:
    """The same five images as PNG files, one of them in an inner folder."""
    folder = tmp_path / "images"
    (folder / "inner").mkdir(parents=True)
    names = ["a.png", "b.PNG", "c.png", "d.png", "inner/e é.png"]
    for name, image in zip(names, pixels, strict=True):
        Image.fromarray(image).save(folder / name, format="PNG")
    return folder
