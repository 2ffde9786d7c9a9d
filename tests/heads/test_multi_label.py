"""The multi-label side of the heads, by the linear one."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from torch import Tensor

from tresnet_tasks.heads import LinearHead, MultiLabel, SingleLabel
from tresnet_tasks.losses import AsymmetricLoss
from tresnet_tasks.structures import ClsDataSample

C = 4


@pytest.fixture
def head() -> LinearHead:
    torch.manual_seed(0)
    return LinearHead(num_classes=C, in_channels=8, task="multi_label")


@pytest.fixture
def feats() -> tuple[Tensor, ...]:
    return (torch.randn(3, 8, 2, 2, generator=torch.Generator().manual_seed(1)),)


@pytest.fixture
def targets() -> Tensor:
    return torch.tensor([[1.0, 0, 0, 1], [0, 0, 0, 0], [-1, 1, -1, 0]])


def scored(targets: Tensor) -> list[ClsDataSample]:
    return [ClsDataSample().set_gt_score(row) for row in targets]


def test_loss_is_the_asymmetric_one_by_default(
    head: LinearHead, feats: tuple[Tensor, ...], targets: Tensor
) -> None:
    expected = AsymmetricLoss()(head(feats), targets)
    torch.testing.assert_close(head.loss(feats, scored(targets))["loss"], expected)


def test_labels_that_hold_become_targets(head: LinearHead, feats: tuple[Tensor, ...]) -> None:
    labels: list[list[int]] = [[3, 0], [], [1]]
    samples = [ClsDataSample().set_gt_label(ids) for ids in labels]
    targets = torch.tensor([[1.0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]])
    torch.testing.assert_close(head.loss(feats, samples), head.loss(feats, scored(targets)))


def test_the_value_a_positive_label_is_logged_and_not_added(
    head: LinearHead, feats: tuple[Tensor, ...], targets: Tensor
) -> None:
    losses = head.loss(feats, scored(targets))
    torch.testing.assert_close(losses["per_positive"], losses["loss"].detach() / 3)
    assert not losses["per_positive"].requires_grad
    total, logged = BaseModel.parse_losses(head, losses)
    assert total == losses["loss"]
    assert logged["per_positive"] == losses["per_positive"]


def test_the_value_a_positive_label_of_none_is_finite(
    head: LinearHead, feats: tuple[Tensor, ...]
) -> None:
    assert head.loss(feats, scored(torch.zeros(3, C)))["per_positive"].isfinite()


def test_a_mean_is_comparable_as_it_is(feats: tuple[Tensor, ...], targets: Tensor) -> None:
    loss = {"type": "AsymmetricLoss", "reduction": "mean"}
    head = LinearHead(C, 8, loss=loss, task="multi_label")
    assert list(head.loss(feats, scored(targets))) == ["loss"]


def test_predicts_what_is_above_the_threshold_best_first(
    head: LinearHead, feats: tuple[Tensor, ...]
) -> None:
    head.fc.bias.data = torch.tensor([0.5, 3.0, -2.0, 1.0])
    samples = [ClsDataSample(metainfo={"sample_idx": i}) for i in range(3)]
    found = head.predict(feats, samples)
    scores = head(feats).sigmoid()
    for i, sample in enumerate(found):
        assert sample is samples[i]
        torch.testing.assert_close(sample.pred_score, scores[i])
        order = sorted(range(C), key=lambda c: -scores[i, c].item())
        assert sample.pred_label.tolist() == [c for c in order if scores[i, c] > 0.5]


def test_a_score_at_the_threshold_is_not_above_it() -> None:
    labels = MultiLabel(2, threshold=0.5)
    (sample,) = labels.predict(torch.tensor([[0.0, 1e-3]]))
    assert sample.pred_label.tolist() == [1]


def test_nothing_may_be_predicted() -> None:
    (sample,) = MultiLabel(2).predict(torch.tensor([[-1.0, -2.0]]))
    assert sample.pred_label.shape == (0,)
    assert sample.pred_label.dtype == torch.int64


def test_thresholds_of_the_classes_can_be_set(head: LinearHead, feats: tuple[Tensor, ...]) -> None:
    assert isinstance(head.task, MultiLabel)
    head.task.set_thresholds([0.0, 1.0, 0.0, 1.0])
    assert all(sorted(s.pred_label.tolist()) == [0, 2] for s in head.predict(feats))
    assert list(head.state_dict()) == ["fc.weight", "fc.bias"]


def test_thresholds_can_be_given() -> None:
    head = LinearHead(2, 4, task="multi_label", threshold=(0.2, 0.7))
    assert isinstance(head.task, MultiLabel)
    torch.testing.assert_close(head.task.thresholds, torch.tensor([0.2, 0.7]))


def test_one_label_an_image_is_the_default() -> None:
    assert isinstance(LinearHead(2, 4).task, SingleLabel)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "tags"}, "'tags'.*'single_label' or 'multi_label'"),
        ({"threshold": 0.3}, "threshold=0.3 with task='single_label'"),
        ({"task": "multi_label", "threshold": (0.5, 0.5)}, r"\(2,\) for 4 classes"),
        ({"task": "multi_label", "threshold": math.nan}, "threshold is NaN"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinearHead(C, 8, **arguments)


@pytest.mark.parametrize("ids", [[0, 4], [-1]])
def test_labels_that_are_no_classes_are_refused(
    head: LinearHead, feats: tuple[Tensor, ...], ids: list[int]
) -> None:
    samples = [ClsDataSample().set_gt_label(ids) for _ in range(3)]
    with pytest.raises(ValueError, match=r"the head has 4 classes \(0 to 3\)"):
        head.loss(feats, samples)


def test_scores_of_other_classes_are_refused(head: LinearHead, feats: tuple[Tensor, ...]) -> None:
    with pytest.raises(ValueError, match="5 classes but the head has 4"):
        head.loss(feats, scored(torch.zeros(3, 5)))


def test_what_is_no_label_is_refused(head: LinearHead, feats: tuple[Tensor, ...]) -> None:
    with pytest.raises(ValueError, match="3 targets are not labels, the first is 2"):
        head.loss(feats, scored(torch.tensor([[0.0, 0, 2, 0]] * 3)))


def test_an_image_without_labels_is_refused(
    head: LinearHead, feats: tuple[Tensor, ...], targets: Tensor
) -> None:
    with pytest.raises(ValueError, match="neither gt_score nor gt_label"):
        head.loss(feats, [*scored(targets[:2]), ClsDataSample()])
