from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tresnet_tasks.losses import Divergence, SoftCrossEntropy
from tresnet_tasks.models import Classifier, Distillation
from tresnet_tasks.registry import MODELS
from tresnet_tasks.structures import ClsDataSample

ARCH = {
    "layers": (1, 1, 1, 1),
    "width_factor": 0.125,
    "blocks": ("basic", "basic", "bottleneck", "bottleneck"),
}
IMAGES = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def _student(**head: Any) -> Classifier:
    torch.manual_seed(0)
    head = {"type": "LinearHead", "num_classes": 3, "in_channels": 256, **head}
    built: Classifier = MODELS.build(
        {"type": "Classifier", "backbone": {"type": "TResNet", "arch": ARCH}, "head": head}
    )
    return built


def _answer(images: Tensor) -> Tensor:
    """A teacher: the mean colour, as logits."""
    return 10 * images.mean((2, 3))


def _samples(*labels: int | None) -> list[ClsDataSample]:
    return [
        ClsDataSample() if label is None else ClsDataSample().set_gt_label(label)
        for label in labels
    ]


def _distilled(label_weight: float, **head: Any) -> Classifier:
    model = _student(**head)
    loss = Divergence(multi_label="task" in head)
    model.distillation = Distillation(_answer, loss, label_weight)
    return model


def test_labelled_and_unlabelled_images_follow_the_teacher_and_labelled_ones_their_labels() -> None:
    model = _distilled(0.5)
    losses = model(IMAGES, _samples(2, None, 0, None), mode="loss")
    logits = _student()(IMAGES)
    assert list(losses) == ["teacher_loss", "label_loss"]
    torch.testing.assert_close(losses["teacher_loss"], Divergence()(logits, _answer(IMAGES)))
    expected = 0.5 * SoftCrossEntropy()(logits[[0, 2]], torch.tensor([2, 0]))
    torch.testing.assert_close(losses["label_loss"], expected)


def test_unlabelled_images_train_by_the_teachers_term_alone() -> None:
    grads = []
    for weight in (0.0, 3.0):
        model = _distilled(weight)
        sum(model(IMAGES, _samples(*[None] * 4), mode="loss").values()).backward()
        grads.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))
    assert all(grad.isfinite().all() for grad in grads[0])


def test_labels_have_no_part_by_default() -> None:
    model = _distilled(0.0)
    by_labels = [model(IMAGES, _samples(*labels), mode="loss") for labels in ((0,) * 4, (2,) * 4)]
    assert list(by_labels[0]) == ["teacher_loss"]


def test_soft_targets_of_mixed_images_are_labels() -> None:
    targets = torch.rand(4, 3).softmax(1)
    samples = [ClsDataSample().set_gt_score(score) for score in targets]
    losses = _distilled(1.0)(IMAGES, samples, mode="loss")
    expected = SoftCrossEntropy()(_student()(IMAGES), targets)
    torch.testing.assert_close(losses["label_loss"], expected)


def test_several_labels_an_image() -> None:
    head = {"task": "multi_label", "loss": {"type": "AsymmetricLoss"}}
    model = _distilled(1.0, **head)
    known = torch.tensor([1.0, -1.0, 0.0])
    samples = [ClsDataSample().set_gt_score(known), *_samples(None, None, None)]
    losses = model(IMAGES, samples, mode="loss")
    logits = _student()(IMAGES)
    expected = Divergence(multi_label=True)(logits, _answer(IMAGES))
    torch.testing.assert_close(losses["teacher_loss"], expected)
    alone = MODELS.build(head["loss"])(logits[:1], known[None])
    torch.testing.assert_close(losses["label_loss"], alone)
    assert "per_positive" in losses


def test_a_model_without_a_teacher_still_refuses_unlabelled_images() -> None:
    with pytest.raises(ValueError, match="2 of 4 samples have neither"):
        _student()(IMAGES, _samples(2, None, 0, None), mode="loss")


def test_predictions_are_the_students_own() -> None:
    distilled, plain = _distilled(1.0).eval(), _student().eval()
    assert torch.equal(distilled(IMAGES), plain(IMAGES))
    assert distilled.state_dict().keys() == plain.state_dict().keys()
