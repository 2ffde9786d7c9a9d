"""scikit-learn is the oracle."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import coverage_error, label_ranking_loss
from torch import Tensor

from tresnet_tasks.metrics import coverage, ranking_loss

N, C = 150, 7


@pytest.fixture
def targets() -> Tensor:
    targets = (torch.rand(N, C, generator=torch.Generator().manual_seed(0)) < 0.4).int()
    targets[0], targets[1] = 0, 1  # nothing to rank
    return targets


@pytest.fixture(params=[0, 5], ids=["distinct", "ties"])
def scores(request: pytest.FixtureRequest) -> Tensor:
    scores = torch.rand(N, C, generator=torch.Generator().manual_seed(1))
    return (scores * request.param).round() if request.param else scores


def test_means_are_scikit_learns(scores: Tensor, targets: Tensor) -> None:
    y, s = targets.numpy(), scores.numpy()
    assert ranking_loss(scores, targets).mean().item() == pytest.approx(
        label_ranking_loss(y, s), abs=1e-9
    )
    assert coverage(scores, targets).mean().item() == pytest.approx(coverage_error(y, s), abs=1e-9)


def test_unknown_labels_count_nowhere(scores: Tensor, targets: Tensor) -> None:
    targets[torch.rand(N, C, generator=torch.Generator().manual_seed(2)) < 0.3] = -1
    losses, covered = ranking_loss(scores, targets), coverage(scores, targets)
    for i in range(2, N):
        known = targets[i] >= 0
        if (targets[i] == 1).any() and (targets[i] == 0).any():
            y, s = targets[i, known].numpy()[None], scores[i, known].numpy()[None]
            assert losses[i] == pytest.approx(label_ranking_loss(y, s), abs=1e-9)
            assert covered[i] == pytest.approx(coverage_error(y, s), abs=1e-9)


def test_infinite_scores_are_scores() -> None:
    scores = torch.tensor([[-math.inf, -math.inf, 1.0, math.inf]])
    targets = torch.tensor([[1, 0, -1, 1]])
    assert ranking_loss(scores, targets).item() == 0.5
    assert coverage(scores, targets).item() == 3


def test_an_image_of_unknown_labels_counts_zero() -> None:
    scores, targets = torch.rand(1, 3), torch.full((1, 3), -1)
    assert ranking_loss(scores, targets).item() == coverage(scores, targets).item() == 0


def test_nan_scores_are_refused() -> None:
    for function in (ranking_loss, coverage):
        with pytest.raises(ValueError, match="are NaN"):
            function(torch.full((1, 2), math.nan), torch.ones(1, 2))
