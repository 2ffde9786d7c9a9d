"""One backbone, several heads: losses, gradients, predictions."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tresnet_tasks.structures import ClsDataSample, MultiTaskDataSample

CLS = {"type": "LinearHead", "num_classes": 4, "in_channels": 512}


@pytest.fixture
def images() -> Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 3, 64, 64)


def test_the_backbone_runs_once(joint: Any, images: Tensor) -> None:
    model = joint.build()
    calls = []
    model.backbone.register_forward_hook(lambda *_: calls.append(1))
    model(images, [joint.sample(), joint.sample()], mode="loss")
    assert len(calls) == 1


def test_a_detector_starts_as_mmdet_starts_it(joint: Any) -> None:
    model = joint.build()
    model.init_weights()
    classes = model.heads["boxes"].detector.bbox_head.conv_cls
    torch.testing.assert_close(classes.bias, torch.full((3,), -math.log(99)))


def test_an_image_trains_only_the_heads_that_it_has_labels_for(joint: Any, images: Tensor) -> None:
    model = joint.build().eval()
    some = [joint.sample(tags=False, boxes=False), joint.sample(cls=False)]
    losses = model(images, some, mode="loss")
    alone = model(images[:1], some[:1], mode="loss")
    torch.testing.assert_close(joint.total(losses, "cls"), joint.total(alone, "cls"))
    other = model(images[1:], some[1:], mode="loss")
    torch.testing.assert_close(joint.total(losses, "boxes"), joint.total(other, "boxes"))
    assert losses["cls.images"] == losses["boxes.images"] == 1


def test_a_head_without_labels_gets_no_gradient_but_takes_part(joint: Any, images: Tensor) -> None:
    model = joint.build()
    losses = model(images, [joint.sample(boxes=False)] * 2, mode="loss")
    joint.total(losses).backward()
    grads = [p.grad for p in model.heads["boxes"].parameters() if p.requires_grad]
    assert all(g is not None and not g.any() for g in grads)
    assert losses["boxes.images"] == 0


def test_groups_of_different_sizes_give_the_loss_of_all_their_images(
    joint: Any, images: Tensor
) -> None:
    model = joint.build().eval()
    samples = [joint.sample(), joint.sample()]
    whole = model(images, samples, mode="loss")
    parts = model([images[:1], images[1:]], [samples[:1], samples[1:]], mode="loss")
    torch.testing.assert_close(parts["cls.loss"], whole["cls.loss"])
    torch.testing.assert_close(parts["tags.loss"], whole["tags.loss"])


def test_a_head_runs_only_on_the_groups_that_have_labels_for_it(joint: Any, images: Tensor) -> None:
    model = joint.build()
    calls = []
    model.heads["cls"].fc.register_forward_hook(lambda *_: calls.append("cls"))
    model.heads["boxes"].detector.register_forward_hook(lambda *_: calls.append("boxes"))
    samples = [[joint.sample(boxes=False)], [joint.sample(cls=False)]]
    joint.total(model([images[:1], images[1:]], samples, mode="loss")).backward()
    assert calls == ["cls", "boxes"]
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_every_head_answers_for_every_image(joint: Any, images: Tensor) -> None:
    answers = joint.build().eval()(
        images, [joint.sample(cls=False, boxes=False), joint.sample()], mode="predict"
    )
    for answer in answers:
        assert answer.task("cls").pred_score.sum().item() == pytest.approx(1)
        assert answer.task("tags").pred_score.shape == (3,)
        assert answer.task("boxes").pred_instances.bboxes.shape[1] == 4
    assert not answers[0].labelled("boxes")


def test_unlabelled_images_are_answered(joint: Any, images: Tensor) -> None:
    answers = joint.build().eval()(images, mode="predict")
    assert [sorted(a.keys()) for a in answers] == [["boxes", "cls", "tags"]] * 2


def test_the_loss_of_each_head_over_its_labelled_images_is_told_with_the_answers(
    joint: Any, images: Tensor
) -> None:
    model = joint.build(predict_loss=True, loss_weights={"boxes": 2.0}).eval()
    samples = [joint.sample(tags=False), joint.sample(cls=False)]
    expected = model(images, samples, mode="loss")  # a head without norms, that trains alike
    answers = model(images, samples, mode="predict")
    for head, image in (("cls", 0), ("tags", 1), ("boxes", 0), ("boxes", 1)):
        found = answers[image].task(head).loss
        torch.testing.assert_close(found, joint.total(expected, f"{head}."))
    assert "loss" not in answers[0].task("tags")
    unlabelled = model(images, mode="predict")
    assert all("loss" not in answer.task("cls") for answer in unlabelled)


def test_tensor_mode_gives_each_heads_output(joint: Any, images: Tensor) -> None:
    found = joint.build().eval()(images)
    assert found["cls"].shape == (2, 4)
    assert len(found["boxes"][0]) == 3


def test_two_heads_of_one_kind_do_not_overwrite_each_other(joint: Any, images: Tensor) -> None:
    heads = {"one": joint.HEADS["cls"], "two": {**joint.HEADS["cls"], "num_classes": 7}}
    both = MultiTaskDataSample()
    both.set_task("one", ClsDataSample().set_gt_label(0))
    both.set_task("two", ClsDataSample().set_gt_label(6))
    model = joint.build(heads=heads, neck=None)
    assert {"one.loss", "two.loss"} < set(model(images, [both, both], mode="loss"))


def test_a_head_may_read_a_level_of_the_pyramid(joint: Any, images: Tensor) -> None:
    heads = {"cls": {**joint.HEADS["cls"], "in_channels": 16}, "boxes": joint.HEADS["boxes"]}
    model = joint.build(heads=heads, inputs={"cls": ("neck", 0)}).eval()
    feats = model.extract_feats(images)
    assert [f.shape[-1] for f in feats["cls"]] == [8]
    assert model(images)["cls"].shape == (2, 4)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"heads": {}}, "no heads"),
        ({"heads": {"my-loss": CLS}}, "my-loss"),
        ({"heads": {"to": CLS}}, "method"),
        ({"loss_weights": {"box": 1.0}}, "box"),
        ({"inputs": {"cls": "stem"}}, "stem"),
        ({"neck": None, "inputs": {"cls": "neck"}}, "has none"),
        ({"balance": "max"}, "pcgrad"),
        ({"frozen": ("trunk",)}, "parts of the model"),
        ({"heads": {"cls": CLS}}, "none reads it"),
    ],
)
def test_what_cannot_be_is_refused(joint: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        joint.build(**settings)


def test_uncertainty_starts_at_the_plain_sum_and_is_learned(joint: Any, images: Tensor) -> None:
    samples = [joint.sample(), joint.sample()]
    plain = joint.total(joint.build().eval()(images, samples, mode="loss"))
    model = joint.build(uncertainty=True).eval()
    learned = joint.total(model(images, samples, mode="loss"))
    torch.testing.assert_close(learned, plain)
    learned.backward()
    for name, s in model.uncertainty.log_variances.items():
        losses = {
            k: v
            for k, v in model(images, samples, mode="loss").items()
            if k != f"{name}.loss_uncertainty"
        }
        expected = 0.5 - joint.total(losses, f"{name}.")
        torch.testing.assert_close(s.grad, expected)


def test_a_head_added_to_a_frozen_model_leaves_the_other_answers_as_they_were(
    joint: Any, images: Tensor
) -> None:
    old = joint.build(heads={"cls": joint.HEADS["cls"], "boxes": joint.HEADS["boxes"]})
    new = joint.build(frozen=("backbone", "neck", "cls", "boxes"))
    missing = new.load_state_dict(old.state_dict(), strict=False).missing_keys
    assert {key.split(".")[1] for key in missing} == {"tags"}
    before = old.eval()(images)
    new.train()
    optimizer = torch.optim.SGD([p for p in new.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        joint.total(new(images, [joint.sample(), joint.sample()], mode="loss")).backward()
        optimizer.step()
    after = new.eval()(images)
    assert torch.equal(before["cls"], after["cls"])
    for one, other in zip(before["boxes"], after["boxes"], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
