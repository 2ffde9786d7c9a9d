"""Against the formulas, written out in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tresnet_tasks.losses import SoftCrossEntropy
from tresnet_tasks.registry import MODELS

N, C = 6, 4
WEIGHTS = (0.5, 1.0, 2.0, 0.25)


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(N, C, generator=torch.Generator().manual_seed(0)) * 3


@pytest.fixture
def ids() -> Tensor:
    return torch.tensor([0, 1, 2, 3, 1, 2])


@pytest.fixture
def soft() -> Tensor:
    return torch.rand(N, C, generator=torch.Generator().manual_seed(1)).softmax(1)


def _minus_log_p(logits: Tensor) -> Tensor:
    scores = logits.double().exp()
    return -(scores / scores.sum(1, keepdim=True)).log()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_ids(logits: Tensor, ids: Tensor, smoothing: float) -> None:
    nll = _minus_log_p(logits)
    images = []
    for row, label in zip(nll, ids, strict=True):
        images.append((1 - smoothing) * row[label] + smoothing * row.mean())
    loss = SoftCrossEntropy(label_smoothing=smoothing)(logits, ids)
    torch.testing.assert_close(loss.double(), torch.stack(images).mean(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_soft_targets(logits: Tensor, soft: Tensor, smoothing: float) -> None:
    targets = (1 - smoothing) * soft.double() + smoothing / C
    expected = (targets * _minus_log_p(logits)).sum() / N
    loss = SoftCrossEntropy(label_smoothing=smoothing)(logits, soft)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_ids_and_one_hot_targets_agree(logits: Tensor, ids: Tensor, smoothing: float) -> None:
    loss = SoftCrossEntropy(label_smoothing=smoothing)
    one_hot = torch.nn.functional.one_hot(ids, C).float()
    torch.testing.assert_close(loss(logits, ids), loss(logits, one_hot))


def test_class_weights_weight_the_mean_over_class_ids(logits: Tensor, ids: Tensor) -> None:
    nll = _minus_log_p(logits)
    total = sum(WEIGHTS[label] * nll[i, label] for i, label in enumerate(ids.tolist()))
    expected = total / sum(WEIGHTS[label] for label in ids.tolist())
    loss = SoftCrossEntropy(class_weight=WEIGHTS)(logits, ids)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=0)


def test_class_weights_with_soft_targets(logits: Tensor, soft: Tensor) -> None:
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)
    expected = (weights * soft.double() * _minus_log_p(logits)).sum() / N
    loss = SoftCrossEntropy(class_weight=WEIGHTS)(logits, soft)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=0)


def test_loss_weight_multiplies(logits: Tensor, ids: Tensor) -> None:
    assert SoftCrossEntropy(loss_weight=3.0)(logits, ids) == 3 * SoftCrossEntropy()(logits, ids)


def test_float32_under_bfloat16_autocast(logits: Tensor, soft: Tensor) -> None:
    expected = SoftCrossEntropy()(logits.bfloat16().float(), soft)
    with torch.autocast("cpu", torch.bfloat16):
        loss = SoftCrossEntropy()(logits.bfloat16(), soft)
    assert loss.dtype == torch.float32
    assert loss == expected


def test_float32_for_bfloat16_logits_without_autocast(logits: Tensor, soft: Tensor) -> None:
    loss = SoftCrossEntropy()(logits.bfloat16(), soft)
    assert loss.dtype == torch.float32
    assert loss == SoftCrossEntropy()(logits.bfloat16().float(), soft)


def test_gradient_is_the_softmax_minus_the_target(logits: Tensor, soft: Tensor) -> None:
    logits.requires_grad_()
    SoftCrossEntropy()(logits, soft).backward()
    torch.testing.assert_close(logits.grad, (logits.softmax(1) - soft) / N)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_a_smoothing_out_of_range_is_refused(smoothing: float) -> None:
    with pytest.raises(ValueError, match=rf"label_smoothing={smoothing}.*\[0, 1\)"):
        SoftCrossEntropy(label_smoothing=smoothing)


def test_class_weights_are_no_part_of_the_state_dict() -> None:
    assert not SoftCrossEntropy(class_weight=WEIGHTS).state_dict()


def test_is_built_by_name() -> None:
    loss = MODELS.build({"type": "SoftCrossEntropy", "label_smoothing": 0.2})
    assert isinstance(loss, SoftCrossEntropy)
    assert loss.label_smoothing == 0.2
