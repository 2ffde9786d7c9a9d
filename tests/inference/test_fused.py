"""The predictor's faster forms give the scores of the network that was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tresnet_tasks.inference import Predictor
from tresnet_tasks.weights import convert_weights


def test_a_predictor_folds_batch_norm(checkpoint: Path) -> None:
    modules = Predictor(checkpoint, device="cpu").model.modules()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in modules)


def test_a_fused_file_gives_the_same_scores(checkpoint: Path, pixels: Any, tmp_path: Path) -> None:
    convert_weights(checkpoint, tmp_path / "fused.pth", fuse=True)
    expected = Predictor(checkpoint, device="cpu")(pixels)
    predictions = Predictor(tmp_path / "fused.pth", device="cpu")(pixels)
    for prediction, other in zip(predictions, expected, strict=True):
        np.testing.assert_allclose(prediction.scores, other.scores, rtol=1e-5)


def test_bfloat16_gives_nearly_the_same_scores(checkpoint: Path, pixels: Any) -> None:
    expected = Predictor(checkpoint, device="cpu")(pixels)
    predictions = Predictor(checkpoint, device="cpu", dtype=torch.bfloat16)(pixels)
    for prediction, other in zip(predictions, expected, strict=True):
        np.testing.assert_allclose(prediction.scores, other.scores, atol=0.05)
        assert prediction.scores.dtype == np.float32


@pytest.mark.parametrize("dtype", [torch.int8, torch.float16])
def test_another_dtype_is_refused(checkpoint: Path, dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match="bfloat16"):
        Predictor(checkpoint, device="cpu", dtype=dtype)
