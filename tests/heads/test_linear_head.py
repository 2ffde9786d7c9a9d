from __future__ import annotations

import pytest
import torch
from timm.layers import ClassifierHead
from torch import Tensor
from torch.nn import functional as F

from tresnet_tasks.heads import LinearHead
from tresnet_tasks.registry import MODELS
from tresnet_tasks.structures import ClsDataSample


@pytest.fixture
def head() -> LinearHead:
    torch.manual_seed(0)
    return LinearHead(num_classes=3, in_channels=8)


@pytest.fixture
def feats() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(4, c, s, s, generator=generator) for c, s in ((4, 6), (8, 3)))


def _labelled(*labels: int) -> list[ClsDataSample]:
    return [ClsDataSample().set_gt_label(label) for label in labels]


def test_logits_are_those_of_timm(head: LinearHead, feats: tuple[Tensor, ...]) -> None:
    theirs = ClassifierHead(8, 3, pool_type="fast")
    theirs.fc.load_state_dict(head.fc.state_dict())
    torch.testing.assert_close(head(feats), theirs(feats[-1]))


def test_initial_weights_are_the_published_ones() -> None:
    torch.manual_seed(0)
    head = LinearHead(num_classes=200, in_channels=300)
    assert head.fc.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert (head.fc.bias == 0).all()


def test_state_dict_holds_the_linear_layer_alone(head: LinearHead) -> None:
    assert list(head.state_dict()) == ["fc.weight", "fc.bias"]


def test_loss_of_labels(head: LinearHead, feats: tuple[Tensor, ...]) -> None:
    losses = head.loss(feats, _labelled(0, 2, 1, 1))
    expected = F.cross_entropy(head(feats), torch.tensor([0, 2, 1, 1]))
    assert list(losses) == ["loss"]
    torch.testing.assert_close(losses["loss"], expected)


def test_loss_prefers_scores_to_labels(head: LinearHead, feats: tuple[Tensor, ...]) -> None:
    scores = torch.rand(4, 3).softmax(1)
    samples = [
        sample.set_gt_score(score)
        for sample, score in zip(_labelled(0, 0, 0, 0), scores, strict=True)
    ]
    expected = -(scores * head(feats).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(head.loss(feats, samples)["loss"], expected)


def test_the_loss_comes_from_the_config(feats: tuple[Tensor, ...]) -> None:
    head = LinearHead(3, 8, loss={"type": "SoftCrossEntropy", "label_smoothing": 0.3})
    expected = F.cross_entropy(head(feats), torch.tensor([0, 2, 1, 1]), label_smoothing=0.3)
    torch.testing.assert_close(head.loss(feats, _labelled(0, 2, 1, 1))["loss"], expected)


def test_predict_sets_scores_and_the_best_class(
    head: LinearHead, feats: tuple[Tensor, ...]
) -> None:
    samples = _labelled(0, 1, 2, 0)
    out = head.predict(feats, samples)
    scores = head(feats).softmax(1)
    for i, sample in enumerate(out):
        assert sample is samples[i]
        torch.testing.assert_close(sample.pred_score, scores[i])
        assert sample.pred_score.sum().item() == pytest.approx(1)
        assert sample.pred_label.tolist() == [scores[i].argmax().item()]


def test_predict_makes_samples_where_there_are_none(
    head: LinearHead, feats: tuple[Tensor, ...]
) -> None:
    samples = head.predict(feats)
    assert len(samples) == 4
    assert all(sample.pred_score.shape == (3,) for sample in samples)


def test_dropout_acts_in_training_alone(feats: tuple[Tensor, ...]) -> None:
    head = LinearHead(3, 8, dropout=0.5)
    torch.manual_seed(0)
    assert not torch.equal(head.train()(feats), head(feats))
    assert torch.equal(head.eval()(feats), head(feats))


@pytest.mark.parametrize("labels", [(0, 1, 2, 3), (0, -1, 2, 0)])
def test_labels_out_of_range_are_refused(
    head: LinearHead, feats: tuple[Tensor, ...], labels: tuple[int, ...]
) -> None:
    message = rf"from {min(labels)} to {max(labels)} but the head has 3 classes \(0 to 2\)"
    with pytest.raises(ValueError, match=message):
        head.loss(feats, _labelled(*labels))


def test_several_labels_an_image_are_refused(head: LinearHead, feats: tuple[Tensor, ...]) -> None:
    samples = [*_labelled(0, 1, 2), ClsDataSample().set_gt_label([0, 1])]
    with pytest.raises(ValueError, match=r"\[1, 2\] labels.*multi-label head"):
        head.loss(feats, samples)


def test_an_image_without_any_label_is_refused(head: LinearHead, feats: tuple[Tensor, ...]) -> None:
    with pytest.raises(ValueError, match="1 of 4 samples have neither"):
        head.loss(feats, [*_labelled(0, 1, 2), ClsDataSample()])


def test_scores_of_another_number_of_classes_are_refused(
    head: LinearHead, feats: tuple[Tensor, ...]
) -> None:
    samples = [ClsDataSample().set_gt_score(torch.ones(5) / 5) for _ in range(4)]
    with pytest.raises(ValueError, match="5 classes but the head has 3"):
        head.loss(feats, samples)


def test_is_built_by_name() -> None:
    assert isinstance(
        MODELS.build({"type": "LinearHead", "num_classes": 2, "in_channels": 4}), LinearHead
    )
