"""Weights with an ML-Decoder's head, and the class names that their file carries."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tresnet_tasks import Predictor
from tresnet_tasks.models import Classifier


@pytest.fixture
def config(make_config: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    config = copy.deepcopy(make_config())
    sizes = {"embed_dims": 16, "num_heads": 2, "feedforward_channels": 8}
    config["model"]["head"] = {"type": "MLDecoderHead", **sizes}
    config["test_dataloader"]["dataset"]["type"] = "CocoTags"  # several labels an image
    return config


def test_classes_and_names_come_from_the_file(config: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    head = {**config["model"]["head"], "num_classes": 3, "in_channels": 256}
    model = Classifier(config["model"]["backbone"], head).eval()
    names = {0: "hen", 1: "pig", 2: "yak"}
    content = {"model": model.state_dict(), "num_classes": 3, "idx_to_class": names}
    torch.save(content, tmp_path / "w.pth")
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    (prediction,) = Predictor(tmp_path / "w.pth", config=config, device="cpu")([image])
    inputs = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = model(inputs).sigmoid()[0]
    assert prediction.classes == ("hen", "pig", "yak")
    np.testing.assert_allclose(prediction.scores, expected.numpy(), rtol=1e-5)
