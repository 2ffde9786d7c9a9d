from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tresnet_tasks.losses import AsymmetricLoss, PartialLabelLoss
from tresnet_tasks.registry import MODELS

N, C = 4, 6


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(N, C, generator=torch.Generator().manual_seed(0)) * 2


@pytest.fixture
def targets() -> Tensor:
    return torch.randint(-1, 2, (N, C), generator=torch.Generator().manual_seed(1)).float()


def counted_as_negative(loss: PartialLabelLoss, logits: Tensor, targets: Tensor) -> Tensor:
    """The unknown labels that have a gradient."""
    logits = logits.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(logits, targets), logits)
    return (grad != 0) & (targets == -1)


# Without clip and focusing every label that counts has a gradient.
BCE = {"type": "AsymmetricLoss", "gamma_neg": 0, "gamma_pos": 0, "clip": 0}


def test_ignore_is_the_plain_loss(logits: Tensor, targets: Tensor) -> None:
    assert PartialLabelLoss("ignore")(logits, targets) == AsymmetricLoss()(logits, targets)


def test_negative_takes_unknown_labels_for_negatives(logits: Tensor, targets: Tensor) -> None:
    expected = AsymmetricLoss()(logits, targets.clamp(min=0))
    assert PartialLabelLoss("negative")(logits, targets) == expected


def test_selective_ignores_the_likeliest_of_the_batch(logits: Tensor, targets: Tensor) -> None:
    loss = PartialLabelLoss("selective", BCE, likelihood_topk=1)
    unknown = (targets == -1).nonzero().tolist()
    by_score = sorted(unknown, key=lambda place: -logits[tuple(place)].item())
    counted = counted_as_negative(loss, logits, targets).nonzero().tolist()
    assert sorted(by_score[N:]) == counted


def test_selective_ignores_frequent_classes(logits: Tensor, targets: Tensor) -> None:
    prior = [0.9, 0.1, 0.6, 0.5, 0.0, 0.0]
    loss = PartialLabelLoss("selective", BCE, prior=prior, likelihood_topk=0)
    frequent = torch.tensor([True, False, True, False, False, False])
    counted = counted_as_negative(loss, logits, targets)
    assert torch.equal(counted, (targets == -1) & ~frequent)
    assert not loss.state_dict()


def test_selective_keeps_known_labels_of_frequent_classes(logits: Tensor) -> None:
    targets = torch.randint(0, 2, (N, C)).float()
    loss = PartialLabelLoss("selective", BCE, prior=[1.0] * C)
    assert loss(logits, targets) == loss.known(logits, targets)


def test_fewer_unknown_labels_than_topk_are_all_ignored(logits: Tensor, targets: Tensor) -> None:
    loss = PartialLabelLoss("selective", BCE, likelihood_topk=100)
    assert loss(logits, targets) == loss.known(logits, targets)


def test_unknown_labels_can_have_a_loss_of_their_own(logits: Tensor, targets: Tensor) -> None:
    own = {"type": "AsymmetricLoss", "gamma_neg": 2.0, "clip": 0.0}
    loss = PartialLabelLoss("negative", unknown_loss=own)
    known = AsymmetricLoss()(logits, targets)
    unknown = AsymmetricLoss(2.0, clip=0.0, reduction="none")(logits, torch.zeros_like(targets))
    expected = known + unknown[targets == -1].sum()
    torch.testing.assert_close(loss(logits, targets), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "positive"}, "'positive'.*ignore, negative, selective"),
        ({"mode": "selective", "prior": [0.5, 1.5]}, r"outside \[0, 1\]"),
        ({"mode": "selective", "likelihood_topk": -1}, "likelihood_topk=-1"),
        (
            {"mode": "negative", "loss": {**BCE, "reduction": "mean"}, "unknown_loss": BCE},
            "two means",
        ),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PartialLabelLoss(**arguments)


def test_a_prior_of_other_classes_is_refused(logits: Tensor, targets: Tensor) -> None:
    with pytest.raises(ValueError, match="2 entries but the logits have 6"):
        PartialLabelLoss("selective", prior=[0.1, 0.2])(logits, targets)


def test_is_built_by_name() -> None:
    loss = MODELS.build({"type": "PartialLabelLoss", "mode": "ignore"})
    assert isinstance(loss, PartialLabelLoss)
    assert loss.reduction == "sum"
