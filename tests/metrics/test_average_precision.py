"""scikit-learn is the oracle."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import Tensor

from tresnet_tasks.metrics import average_precision

N, C = 300, 12


@pytest.fixture
def targets() -> Tensor:
    return (torch.rand(N, C, generator=torch.Generator().manual_seed(0)) < 0.2).int()


def scikit_learns(scores: Tensor, targets: Tensor) -> list[float]:
    found = []
    for s, y in zip(scores.T, targets.T, strict=True):
        known = y >= 0
        found.append(average_precision_score(y[known].numpy(), s[known].numpy()))
    return found


@pytest.mark.parametrize("levels", [0, 2, 20], ids=["distinct", "two values", "ties"])
@pytest.mark.parametrize("unknown", [0.0, 0.4])
def test_is_scikit_learns(targets: Tensor, levels: int, unknown: float) -> None:
    generator = torch.Generator().manual_seed(1)
    scores = torch.rand(N, C, generator=generator, dtype=torch.float64) + 0.2 * targets
    if levels:
        scores = (scores * levels).round()
    targets[torch.rand(N, C, generator=generator) < unknown] = -1
    expected = scikit_learns(scores, targets)
    assert average_precision(scores, targets).tolist() == pytest.approx(expected, abs=1e-9)


def test_a_perfect_ranking_has_one_and_a_constant_score_the_prior(targets: Tensor) -> None:
    assert average_precision(targets.float(), targets).tolist() == [1.0] * C
    prior = targets.double().mean(0)
    torch.testing.assert_close(average_precision(torch.zeros(N, C), targets), prior)


def test_worked_by_hand() -> None:
    scores = torch.tensor([[0.9], [0.8], [0.7], [0.6]])
    ap = average_precision(scores, torch.tensor([[1], [0], [1], [0]]))
    assert ap.item() == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("label", [0, -1])
def test_a_class_without_positives_has_none(targets: Tensor, label: int) -> None:
    targets[:, 4] = label
    ap = average_precision(torch.rand(N, C), targets)
    assert math.isnan(ap[4])
    assert ap.isnan().sum() == 1


def test_infinite_scores_are_scores(targets: Tensor) -> None:
    targets[:, 3] = torch.tensor([1, 0, -1]).repeat(N // 3)
    scores = torch.zeros(N, C)
    scores[:, 3] = -torch.inf
    assert average_precision(scores, targets)[3] == 0.5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_exact(targets: Tensor, dtype: torch.dtype) -> None:
    scores = torch.rand(N, C, generator=torch.Generator().manual_seed(2)).to(dtype)
    expected = average_precision(scores.double(), targets)
    assert torch.equal(average_precision(scores, targets), expected)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32])
def test_targets_of_any_type(targets: Tensor, dtype: torch.dtype) -> None:
    scores = torch.rand(N, C)
    expected = average_precision(scores, targets)
    assert torch.equal(average_precision(scores, targets.to(dtype)), expected)


def test_nothing_to_score_is_nan() -> None:
    assert average_precision(torch.zeros(0, 2), torch.zeros(0, 2)).isnan().all()


def test_nan_scores_are_refused(targets: Tensor) -> None:
    scores = torch.rand(N, C)
    scores[7, 2] = math.nan
    with pytest.raises(ValueError, match=r"1 of 300 samples are NaN \(first: row 7\)"):
        average_precision(scores, targets)


@pytest.mark.parametrize("wrong", [2.0, -2.0, 0.5, math.nan])
def test_other_labels_are_refused(targets: Tensor, wrong: float) -> None:
    labels = targets.float()
    labels[5, 6] = wrong
    with pytest.raises(ValueError, match=rf"the first is {wrong:g} \(row 5, class 6\)"):
        average_precision(torch.rand(N, C), labels)


def test_other_shapes_are_refused(targets: Tensor) -> None:
    with pytest.raises(ValueError, match=r"\(300, 11\).*\(300, 12\)"):
        average_precision(torch.rand(N, C - 1), targets)


def test_whole_numbers_are_no_scores(targets: Tensor) -> None:
    with pytest.raises(ValueError, match=r"torch.int32; expected floating point"):
        average_precision(targets, targets)
