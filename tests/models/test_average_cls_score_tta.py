from __future__ import annotations

from typing import Any

import pytest
import torch

from tresnet_tasks.models import AverageClsScoreTTA
from tresnet_tasks.registry import MODELS
from tresnet_tasks.structures import ClsDataSample

ARCH = {
    "layers": (1, 1, 1, 1),
    "width_factor": 0.125,
    "blocks": ("basic", "basic", "bottleneck", "bottleneck"),
}


def classifier(task: str) -> Any:
    torch.manual_seed(0)
    head = {"type": "LinearHead", "num_classes": 3, "in_channels": 256, "task": task}
    backbone = {"type": "TResNet", "arch": ARCH}
    return MODELS.build({"type": "Classifier", "backbone": backbone, "head": head}).eval()


def answer(model: Any, views: list[torch.Tensor]) -> list[ClsDataSample]:
    """Of a model around ``model``; (N, 3, 32, 32) uint8 a view."""
    samples = [[ClsDataSample() for _ in images] for images in views]
    with torch.no_grad():
        merged: list[ClsDataSample] = AverageClsScoreTTA(model).test_step(
            {"inputs": views, "data_samples": samples}
        )
    return merged


@pytest.fixture
def views() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(256, (2, 3, 32, 32), generator=generator).byte() for _ in range(3)]


@pytest.mark.parametrize("task", ["single_label", "multi_label"])
def test_scores_are_the_mean_over_the_views(task: str, views: list[torch.Tensor]) -> None:
    model = classifier(task)
    scored = torch.softmax if task == "single_label" else lambda logits, _: logits.sigmoid()
    with torch.no_grad():
        expected = sum(scored(model(images / 255), 1) for images in views) / 3
    got = torch.stack([sample.pred_score for sample in answer(model, views)])
    torch.testing.assert_close(got, expected)


def test_the_label_is_that_of_the_mean(views: list[torch.Tensor]) -> None:
    for sample in answer(classifier("single_label"), views):
        assert sample.pred_label.tolist() == [sample.pred_score.argmax()]


def test_tags_are_those_above_their_thresholds(views: list[torch.Tensor]) -> None:
    model = classifier("multi_label")
    low, middle, high = (answer(model, views)[0].pred_score - 1e-3).tolist()
    model.head.task.set_thresholds([low, middle + 1, high])
    found = answer(model, views)[0]
    assert sorted(found.pred_label.tolist()) == [0, 2]
