from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tresnet_tasks.losses import TwoWayLoss
from tresnet_tasks.registry import MODELS

N, C = 5, 4


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(N, C, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2


@pytest.fixture
def targets() -> Tensor:
    return torch.tensor(
        [[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, -1, 1, 0], [-1, 0, 0, 1]],
        dtype=torch.float64,
    )


def by_hand(lines: list[tuple[list[float], list[float]]], t_p: float, t_n: float) -> float:
    losses = []
    for x, y in lines:
        positive = [a for a, b in zip(x, y, strict=True) if b > 0]
        negative = [a for a, b in zip(x, y, strict=True) if b == 0]
        if positive and negative:
            margin = t_n * math.log(sum(math.exp(a / t_n) for a in negative))
            margin += t_p * math.log(sum(math.exp(-a / t_p) for a in positive))
            losses.append(math.log1p(math.exp(margin)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("t_p", "t_n"), [(4.0, 1.0), (1.0, 2.0)])
def test_value_is_that_of_the_formula(
    logits: Tensor, targets: Tensor, t_p: float, t_n: float
) -> None:
    images = list(zip(logits.tolist(), targets.tolist(), strict=True))
    classes = list(zip(logits.T.tolist(), targets.T.tolist(), strict=True))
    expected = by_hand(images, t_p, t_n) + by_hand(classes, t_p, t_n)
    assert TwoWayLoss(t_p, t_n)(logits, targets).item() == pytest.approx(expected, rel=1e-12)


def test_gradcheck(logits: Tensor, targets: Tensor) -> None:
    loss = TwoWayLoss()
    assert torch.autograd.gradcheck(lambda x: loss(x, targets), (logits.requires_grad_(),))


@pytest.mark.parametrize("label", [-1.0, 0.0, 1.0])
def test_nothing_to_contrast_is_no_loss(logits: Tensor, label: float) -> None:
    logits.requires_grad_()
    loss = TwoWayLoss()(logits, torch.full((N, C), label))
    loss.backward()
    assert loss == 0
    assert logits.grad is not None and not logits.grad.any()


def test_half_logits_of_100_stay_finite(targets: Tensor) -> None:
    x = (torch.rand(N, C).half() * 200 - 100).requires_grad_()
    loss = TwoWayLoss()(x, targets)
    loss.backward()
    assert x.grad is not None
    assert loss.dtype == torch.float32 and loss.isfinite() and x.grad.isfinite().all()


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature_pos=0"):
        TwoWayLoss(temperature_pos=0)


def test_is_built_by_name() -> None:
    assert isinstance(MODELS.build({"type": "TwoWayLoss"}), TwoWayLoss)
