"""scikit-learn is the oracle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, precision_score, recall_score
from torch import Tensor

from tresnet_tasks.metrics import multilabel_scores

N, C = 200, 9


@pytest.fixture
def targets() -> Tensor:
    targets = (torch.rand(N, C, generator=torch.Generator().manual_seed(0)) < 0.25).int()
    targets[:, 5] = 0  # a class without positives
    return targets


@pytest.fixture
def scores(targets: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    scores = (torch.rand(N, C, generator=generator) * 0.8 + 0.2 * targets) * 20
    scores = scores.round() / 20  # with ties, also with the threshold
    scores[:, 2] = 0.3  # a class never predicted
    return scores


def scikit_learns(predicted: Any, targets: Tensor) -> dict[str, float]:
    known = [targets[:, c].numpy() >= 0 for c in range(C)]
    pairs = [
        (targets[:, c].numpy()[known[c]], predicted[:, c][known[c]])
        for c in range(C)
        if (targets[:, c] == 1).any()
    ]
    precision, recall, f1 = (
        float(np.mean([score(y, p, zero_division=0) for y, p in pairs]))
        for score in (precision_score, recall_score, f1_score)
    )
    mask = np.stack(known, 1)
    pooled = targets.numpy()[mask], predicted[mask]
    return {
        "CP": precision,
        "CR": recall,
        "CF1": 2 * precision * recall / (precision + recall),
        "OP": float(precision_score(*pooled)),
        "OR": float(recall_score(*pooled)),
        "OF1": float(f1_score(*pooled)),
        "macro_F1": f1,
    }


@pytest.mark.parametrize("unknown", [0.0, 0.3])
@pytest.mark.parametrize("threshold", [0.5, 0.8, torch.linspace(0.2, 0.9, C).tolist()], ids=str)
def test_at_thresholds_it_is_scikit_learns(
    scores: Tensor, targets: Tensor, threshold: Any, unknown: float
) -> None:
    targets[torch.rand(N, C, generator=torch.Generator().manual_seed(2)) < unknown] = -1
    predicted = scores.numpy() > np.array(threshold, dtype=np.float32)
    found = multilabel_scores(scores, targets, threshold)
    assert found == pytest.approx(scikit_learns(predicted, targets), abs=1e-9)


@pytest.mark.parametrize("topk", [1, 3, C, C + 5])
def test_of_the_best_classes_it_is_scikit_learns(
    scores: Tensor, targets: Tensor, topk: int
) -> None:
    targets[torch.rand(N, C, generator=torch.Generator().manual_seed(2)) < 0.2] = -1
    best = np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :topk]  # ties by class index
    predicted = np.zeros((N, C), dtype=bool)
    np.put_along_axis(predicted, best, True, axis=1)
    found = multilabel_scores(scores, targets, topk=topk)
    assert found == pytest.approx(scikit_learns(predicted, targets), abs=1e-9)


def test_a_score_at_the_threshold_is_not_above_it() -> None:
    scores = torch.tensor([[0.8, 0.7999], [0.8001, 0.1]])
    assert multilabel_scores(scores, torch.tensor([[1, 1], [1, 1]]), 0.8)["OR"] == 0.25


def test_mean_of_f1_is_not_f1_of_the_means() -> None:
    scores = torch.tensor([[0.9, 0.9], [0.9, 0.1], [0.1, 0.1]])
    found = multilabel_scores(scores, torch.tensor([[1, 1], [0, 1], [0, 1]]))
    assert (found["CP"], found["CR"]) == pytest.approx((0.75, 2 / 3))
    assert found["CF1"] == pytest.approx(2 * 0.75 * 2 / 3 / (0.75 + 2 / 3))
    assert found["macro_F1"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_nothing_predicted_scores_zero(targets: Tensor) -> None:
    assert set(multilabel_scores(torch.zeros(N, C), targets).values()) == {0.0}


def test_without_any_positive_there_is_no_mean() -> None:
    found = multilabel_scores(torch.rand(4, 2), torch.zeros(4, 2))
    assert math.isnan(found["CP"]) and math.isnan(found["macro_F1"])
    assert found["OP"] == found["OR"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"topk": 0}, "topk is 0"),
        ({"threshold": [0.5] * 4}, r"\(4,\) for 9 classes"),
        ({"threshold": math.nan}, "threshold is NaN"),
    ],
)
def test_bad_arguments_are_refused(
    scores: Tensor, targets: Tensor, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        multilabel_scores(scores, targets, **arguments)


def test_nan_scores_and_other_labels_are_refused(scores: Tensor, targets: Tensor) -> None:
    with pytest.raises(ValueError, match="are NaN"):
        multilabel_scores(scores * math.nan, targets)
    with pytest.raises(ValueError, match="not labels"):
        multilabel_scores(scores, targets + 1)
