"""CSRA against the paper's formula, one place at a time."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tresnet_tasks.heads import CSRAHead
from tresnet_tasks.structures import ClsDataSample


def by_the_formula(head: CSRAHead, feat: Tensor) -> Tensor:
    """Logits (N, C), in loops over images, classifiers and classes."""
    logits = torch.zeros(len(feat), head.num_classes, dtype=feat.dtype)
    for n, image in enumerate(feat.flatten(2)):
        for weight, temperature in zip(head.weight, head.temperatures, strict=True):
            for c, row in enumerate(weight):
                scores = [(row @ place / row.norm()).item() for place in image.T]
                if math.isinf(temperature):
                    attended = max(scores)
                else:
                    shares = [math.exp(temperature * score) for score in scores]
                    attended = sum(
                        share * score for share, score in zip(shares, scores, strict=True)
                    ) / sum(shares)
                logits[n, c] += sum(scores) / len(scores) + head.residual * attended
    return logits


@pytest.mark.parametrize("temperatures", [(1.0,), (1.0, 2.0, 4.0, math.inf)])
def test_logits_are_the_papers(temperatures: tuple[float, ...]) -> None:
    torch.manual_seed(0)
    head = CSRAHead(3, 5, temperatures=temperatures, residual=0.3).double()
    feat = torch.randn(2, 5, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(head((torch.randn(2, 1), feat)), by_the_formula(head, feat))


def test_the_places_of_all_maps_count_alike() -> None:
    torch.manual_seed(0)
    head = CSRAHead(3, 5, temperatures=(1.0, math.inf), all_maps=True)
    maps = (torch.randn(2, 5, 4, 4), torch.randn(2, 5, 2, 2))
    as_one = torch.cat([feat.flatten(2) for feat in maps], 2)[..., None]
    torch.testing.assert_close(head(maps), head((as_one,)))


def test_a_longer_weight_changes_nothing() -> None:
    head = CSRAHead(3, 5)
    feats = (torch.randn(2, 5, 2, 2),)
    before = head(feats)
    head.weight.data *= 7
    torch.testing.assert_close(head(feats), before)


def test_one_small_place_decides_where_the_highest_score_counts() -> None:
    head = CSRAHead(1, 1, temperatures=(math.inf,), residual=1.0)
    head.weight.data.fill_(1)
    feat = torch.zeros(1, 1, 8, 8)
    feat[0, 0, 3, 5] = 64
    assert head((feat,)).item() == 1 + 64


def test_trains_and_predicts_several_labels() -> None:
    head = CSRAHead(3, 5)
    feats = (torch.randn(2, 5, 2, 2),)
    samples = [ClsDataSample().set_gt_label(ids) for ids in ([0, 2], [])]
    loss = head.loss(feats, samples)["loss"]
    loss.backward()
    assert head.weight.grad is not None and head.weight.grad.abs().sum() > 0
    assert [tuple(s.pred_score.shape) for s in head.predict(feats)] == [(3,), (3,)]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"temperatures": ()}, "temperatures"),
        ({"temperatures": (1.0, 0.0)}, "above 0"),
        ({"residual": -0.1}, "residual"),
        ({"task": "boxes"}, "task"),
    ],
)
def test_refuses_settings_without_meaning(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        CSRAHead(3, 5, **settings)
