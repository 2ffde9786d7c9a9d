from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle

from tresnet_tasks.metrics import confusion_matrix, per_class_scores, topk_accuracy

CLASSES = 7


@pytest.fixture
def scores() -> torch.Tensor:
    return torch.randn(200, CLASSES, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def targets() -> torch.Tensor:
    # Class 6 never occurs.
    return torch.randint(0, CLASSES - 1, (200,), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("k", [1, 2, 5])
def test_topk_agrees_with_scikit_learn(scores: torch.Tensor, targets: torch.Tensor, k: int) -> None:
    expected = oracle.top_k_accuracy_score(
        targets.numpy(), scores.numpy(), k=k, labels=range(CLASSES)
    )
    assert topk_accuracy(scores, targets, (k,))[k] == pytest.approx(expected, abs=1e-12)


def test_topk_above_the_number_of_classes_is_one(
    scores: torch.Tensor, targets: torch.Tensor
) -> None:
    assert topk_accuracy(scores, targets, (50,)) == {50: 1.0}


def test_of_tied_scores_the_lower_class_comes_first() -> None:
    scores = torch.tensor([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2]])
    assert topk_accuracy(scores, torch.tensor([0, 1]), (1, 2)) == {1: 0.5, 2: 1.0}


def test_a_constant_score_earns_the_share_of_the_first_class() -> None:
    targets = torch.tensor([0, 1, 2, 3])
    assert topk_accuracy(torch.zeros(4, 4), targets, (1,)) == {1: 0.25}


def test_infinite_scores_and_half_precision_are_ranked() -> None:
    scores = torch.tensor([[float("-inf"), 1.0, float("inf")]], dtype=torch.bfloat16)
    assert topk_accuracy(scores, torch.tensor([1]), (1, 2)) == {1: 0.0, 2: 1.0}


def test_nan_scores_are_refused(scores: torch.Tensor, targets: torch.Tensor) -> None:
    scores[3, 2] = float("nan")
    with pytest.raises(ValueError, match=r"1 of 200 samples are NaN \(first: row 3\)"):
        topk_accuracy(scores, targets)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.tensor([0]), "expected"),
        (torch.tensor([0, 7]), r"got target 7, but with 7 classes"),
        (torch.tensor([-1, 0]), "got target -1"),
        (torch.tensor([0.0, 1.0]), "expected integers"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        topk_accuracy(torch.zeros(2, 7), targets)


def test_k_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        topk_accuracy(torch.zeros(1, 2), torch.tensor([0]), (0,))


def test_confusion_matrix_agrees_with_scikit_learn(
    scores: torch.Tensor, targets: torch.Tensor
) -> None:
    pred = scores.argmax(dim=1)
    expected = oracle.confusion_matrix(targets, pred, labels=range(CLASSES))
    assert np.array_equal(confusion_matrix(pred, targets, CLASSES), expected)


def test_confusion_matrix_of_nothing_is_empty() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    assert torch.equal(confusion_matrix(nothing, nothing, 3), torch.zeros(3, 3, dtype=torch.int64))


def test_prediction_that_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="got prediction 3"):
        confusion_matrix(torch.tensor([3]), torch.tensor([0]), 3)


def test_per_class_scores_agree_with_scikit_learn(
    scores: torch.Tensor, targets: torch.Tensor
) -> None:
    pred = scores.argmax(dim=1)
    pred[pred == 5] = 0  # a class that is never predicted, beside one that never occurs
    found = per_class_scores(confusion_matrix(pred, targets, CLASSES))
    precision, recall, f1, support = oracle.precision_recall_fscore_support(
        targets, pred, labels=range(CLASSES), zero_division=0
    )
    np.testing.assert_allclose(found.precision, precision, atol=1e-12)
    np.testing.assert_allclose(found.recall, recall, atol=1e-12)
    np.testing.assert_allclose(found.f1, f1, atol=1e-12)
    assert np.array_equal(found.support, support)


def test_per_class_scores_need_a_square() -> None:
    with pytest.raises(ValueError, match=r"expected \(C, C\)"):
        per_class_scores(torch.zeros(2, 3))
