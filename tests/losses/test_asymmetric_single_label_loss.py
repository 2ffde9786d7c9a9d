"""Against the published definition, written out here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tresnet_tasks.losses import AsymmetricSingleLabelLoss
from tresnet_tasks.registry import MODELS

N, C = 6, 5


@pytest.fixture
def logits() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(N, C, generator=generator, dtype=torch.float64) * 3


@pytest.fixture
def ids() -> Tensor:
    return torch.tensor([0, 4, 2, 3, 1, 2])


def published(x: Tensor, ids: Tensor, gamma_pos: float, gamma_neg: float, eps: float) -> Tensor:
    total = torch.zeros((), dtype=x.dtype)
    for row, label in zip(x, ids.tolist(), strict=True):
        p = row.exp() / row.exp().sum()
        for c in range(C):
            right = c == label
            weight = (1 - p[c]) ** gamma_pos if right else p[c] ** gamma_neg
            target = (1 - eps) * right + eps / C
            total = total - target * weight * p[c].log()
    return total / len(x)


@pytest.mark.parametrize(
    ("gamma_pos", "gamma_neg", "eps"), [(0, 4, 0.1), (1, 2, 0.2), (0, 0, 0.1), (0.5, 1.5, 0)]
)
def test_value_and_gradient_are_those_of_the_definition(
    logits: Tensor, ids: Tensor, gamma_pos: float, gamma_neg: float, eps: float
) -> None:
    loss = AsymmetricSingleLabelLoss(gamma_pos, gamma_neg, eps)
    expected = published(logits.requires_grad_(), ids, gamma_pos, gamma_neg, eps)
    torch.testing.assert_close(loss(logits, ids), expected)
    grads = [torch.autograd.grad(value, logits)[0] for value in (loss(logits, ids), expected)]
    torch.testing.assert_close(grads[0], grads[1])


def test_without_focusing_it_is_cross_entropy(logits: Tensor, ids: Tensor) -> None:
    loss = AsymmetricSingleLabelLoss(0, 0, label_smoothing=0.1, reduction="sum")
    expected = F.cross_entropy(logits, ids, label_smoothing=0.1, reduction="sum")
    torch.testing.assert_close(loss(logits, ids), expected)


def test_class_ids_and_one_hot_targets_agree(logits: Tensor, ids: Tensor) -> None:
    loss = AsymmetricSingleLabelLoss(loss_weight=2.0)
    torch.testing.assert_close(loss(logits, F.one_hot(ids, C).float()), loss(logits, ids))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 4.0])
def test_logits_of_100_stay_finite(dtype: torch.dtype, gamma: float) -> None:
    x = torch.tensor([[100, -100, 0], [-100, 100, 0]], dtype=dtype).requires_grad_()
    loss = AsymmetricSingleLabelLoss(gamma, gamma)(x, torch.tensor([0, 0]))
    loss.backward()
    assert loss.dtype == torch.float32
    assert x.grad is not None
    assert loss.isfinite() and x.grad.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gamma_pos": -1}, "gamma_pos=-1"),
        ({"label_smoothing": 1.0}, "label_smoothing=1.0"),
        ({"reduction": "none"}, "'none'"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AsymmetricSingleLabelLoss(**arguments)


def test_shapes_that_do_not_fit_are_refused(logits: Tensor) -> None:
    with pytest.raises(ValueError, match=r"\(6, 5\).*\(3,\)"):
        AsymmetricSingleLabelLoss()(logits, torch.tensor([0, 1, 2]))


def test_is_built_by_name() -> None:
    loss = MODELS.build({"type": "AsymmetricSingleLabelLoss"})
    assert isinstance(loss, AsymmetricSingleLabelLoss)
