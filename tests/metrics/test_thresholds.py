"""Thresholds against trying every one of them with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, precision_score, recall_score
from torch import Tensor

from tresnet_tasks.metrics import best_thresholds, multilabel_scores
from tresnet_tasks.metrics.thresholds import NEVER


def data(seed: int, samples: int = 60, digits: int = 2) -> tuple[Tensor, Tensor]:
    """Scores with many ties, labels with unknown ones; 4 classes, the last without positives."""
    generator = np.random.default_rng(seed)
    targets = generator.choice([0, 1, -1], (samples, 4), p=[0.6, 0.3, 0.1])
    targets[:, 3] = np.minimum(targets[:, 3], 0)
    scores = np.clip(generator.normal(0.4 + 0.2 * (targets == 1), 0.2), 0, 1).round(digits)
    return torch.tensor(scores, dtype=torch.float32), torch.tensor(targets)


def every_cut(scores: Tensor) -> list[float]:
    values = scores.unique().double()
    return [-1.0, *((values[1:] + values[:-1]) / 2).tolist(), 1.0]


@pytest.mark.parametrize("seed", range(4))
def test_no_other_threshold_has_a_higher_f1(seed: int) -> None:
    scores, targets = data(seed)
    for c, threshold in enumerate(best_thresholds(scores, targets).tolist()[:3]):
        known = targets[:, c] >= 0
        s, t = scores[known, c], targets[known, c]
        best = max(f1_score(t, s > cut) for cut in every_cut(s))
        assert f1_score(t, s > threshold) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("precision", [0.4, 0.6, 0.8])
def test_no_threshold_of_the_wanted_precision_has_a_higher_recall(precision: float) -> None:
    scores, targets = data(1)
    for c, threshold in enumerate(best_thresholds(scores, targets, precision).tolist()[:3]):
        known = targets[:, c] >= 0
        s, t = scores[known, c], targets[known, c]
        reached = [
            recall_score(t, s > cut)
            for cut in every_cut(s)
            if precision_score(t, s > cut, zero_division=0) >= precision
        ]
        assert recall_score(t, s > threshold) == pytest.approx(max(reached, default=0))


def test_a_class_without_positives_keeps_one_half() -> None:
    assert best_thresholds(*data(0))[3] == 0.5


def test_a_precision_out_of_reach_predicts_nothing() -> None:
    scores, targets = torch.tensor([[0.9], [0.8]]), torch.tensor([[0], [1]])
    assert best_thresholds(scores, targets, precision=0.9).item() == NEVER


def test_it_lies_midway_between_two_scores() -> None:
    scores = torch.tensor([[0.2], [0.4], [0.8]])
    assert best_thresholds(scores, torch.tensor([[0], [0], [1]])).item() == pytest.approx(0.6)
    assert best_thresholds(scores, torch.tensor([[1], [1], [1]])).item() == pytest.approx(0.1)


def test_neighbouring_floats_are_told_apart() -> None:
    low = torch.tensor(0.3)
    scores = torch.stack([low, torch.nextafter(low, torch.tensor(1.0))])[:, None]
    threshold = best_thresholds(scores, torch.tensor([[0], [1]])).float()
    assert (scores > threshold).flatten().tolist() == [False, True]


def test_a_positive_of_score_0_can_be_predicted() -> None:
    scores = torch.zeros(2, 1)
    assert bool((scores > best_thresholds(scores, torch.ones(2, 1))).all())


def test_thresholds_of_one_half_raise_macro_f1_on_the_other() -> None:
    generator = torch.Generator().manual_seed(0)
    share = torch.linspace(0.02, 0.3, 20)
    targets = (torch.rand(4000, 20, generator=generator) < share).int()
    # As a model with the asymmetric loss scores: rare classes low, and each class on its own scale.
    logits = torch.randn(4000, 20, generator=generator) + 2.5 * targets - 3 + 5 * share
    scores = logits.sigmoid()
    found = best_thresholds(scores[:2000], targets[:2000])
    at_half = multilabel_scores(scores[2000:], targets[2000:])["macro_F1"]
    assert multilabel_scores(scores[2000:], targets[2000:], found)["macro_F1"] > at_half + 0.03


@pytest.mark.parametrize("precision", [0, 1.1])
def test_a_precision_out_of_range_is_refused(precision: float) -> None:
    with pytest.raises(ValueError, match=r"expected a share in \(0, 1\]"):
        best_thresholds(*data(0), precision)
