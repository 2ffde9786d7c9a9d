"""One backbone, several heads: losses, gradients, predictions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn

from tresnet_tasks.models import MultiTaskModel
from tresnet_tasks.registry import MODELS
from tresnet_tasks.structures import ClsDataSample, MultiTaskDataSample

ARCH = {
    "layers": (1, 1, 1, 1),
    "width_factor": 0.25,
    "blocks": ("basic", "basic", "bottleneck", "bottleneck"),
}
HEADS: dict[str, Any] = {
    "cls": {"type": "LinearHead", "num_classes": 4, "in_channels": 512},
    "tags": {"type": "LinearHead", "num_classes": 3, "in_channels": 512, "task": "multi_label"},
    "boxes": {
        "type": "DetectorHead",
        "detector": {
            "type": "mmdet.FCOS",
            "bbox_head": {
                "type": "mmdet.FCOSHead",
                "num_classes": 3,
                "in_channels": 16,
                "feat_channels": 16,
                "stacked_convs": 1,
                "strides": [8, 16, 32],
                "regress_ranges": ((-1, 16), (16, 32), (32, 1e8)),
                "norm_cfg": None,
            },
            "test_cfg": {
                "nms_pre": 100,
                "min_bbox_size": 0,
                "score_thr": 0.0,
                "nms": {"type": "nms", "iou_threshold": 0.5},
                "max_per_img": 5,
            },
        },
    },
}


def build(**settings: Any) -> MultiTaskModel:
    torch.manual_seed(0)
    model: MultiTaskModel = MODELS.build(
        {
            "type": "MultiTaskModel",
            "backbone": {"type": "TResNet", "arch": ARCH, "out_indices": (1, 2, 3)},
            "neck": {
                "type": "mmdet.FPN",
                "in_channels": [32, 256, 512],
                "out_channels": 16,
                "num_outs": 3,
            },
            "heads": HEADS,
            **settings,
        }
    )
    for parameter in model.parameters():
        if parameter.dim() == 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.3)  # every block counts
    return model


def sample(*, cls: bool = True, tags: bool = True, boxes: bool = True) -> MultiTaskDataSample:
    size = {"img_shape": (64, 64), "ori_shape": (64, 64), "batch_input_shape": (64, 64)}
    found = MultiTaskDataSample(metainfo={**size, "scale_factor": (1.0, 1.0)})
    if cls:
        found.set_task("cls", ClsDataSample().set_gt_label(1))
    if tags:
        found.set_task("tags", ClsDataSample().set_gt_score(torch.tensor([1.0, 0.0, -1.0])))
    if boxes:
        objects = InstanceData(
            bboxes=torch.tensor([[4.0, 6.0, 30.0, 40.0]]), labels=torch.tensor([2])
        )
        nothing = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
        found.set_task(
            "boxes",
            DetDataSample(metainfo=found.metainfo, gt_instances=objects, ignored_instances=nothing),
        )
    return found


def total(losses: dict[str, Tensor], head: str = "") -> Tensor:
    return sum(v for k, v in losses.items() if "loss" in k and k.startswith(head))  # type: ignore[return-value]


def trunk_gradient(loss: Tensor, model: MultiTaskModel) -> Tensor:
    grads = torch.autograd.grad(
        loss, list(model.backbone.parameters()), retain_graph=True, allow_unused=True
    )
    return torch.cat([g.flatten() for g in grads if g is not None])


@pytest.fixture
def images() -> Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 3, 64, 64)


def test_the_joint_gradient_is_the_weighted_sum_of_the_single_ones(images: Tensor) -> None:
    weights = {"cls": 0.5, "tags": 2.0, "boxes": 1.5}
    samples = [sample(), sample()]
    joint = build(loss_weights=weights).eval()
    together = trunk_gradient(total(joint(images, samples, mode="loss")), joint)
    apart: Any = 0
    for name, head in HEADS.items():
        neck = {} if name == "boxes" else {"neck": None}
        alone = build(heads={name: head}, **neck).eval()
        alone.load_state_dict(joint.state_dict(), strict=False)
        loss = total(alone(images, samples, mode="loss"))
        apart = apart + weights[name] * trunk_gradient(loss, alone)
    assert (together - apart).norm() <= 1e-5 * apart.norm()


def test_the_backbone_runs_once(images: Tensor) -> None:
    model = build()
    calls = []
    model.backbone.register_forward_hook(lambda *_: calls.append(1))
    model(images, [sample(), sample()], mode="loss")
    assert len(calls) == 1


def test_an_image_trains_only_the_heads_that_it_has_labels_for(images: Tensor) -> None:
    model = build().eval()
    some = [sample(tags=False, boxes=False), sample(cls=False)]
    losses = model(images, some, mode="loss")
    alone = model(images[:1], some[:1], mode="loss")
    torch.testing.assert_close(total(losses, "cls"), total(alone, "cls"))
    other = model(images[1:], some[1:], mode="loss")
    torch.testing.assert_close(total(losses, "boxes"), total(other, "boxes"))
    assert losses["cls.images"] == losses["boxes.images"] == 1


def test_a_head_without_labels_gets_no_gradient_but_takes_part(images: Tensor) -> None:
    model = build()
    losses = model(images, [sample(boxes=False)] * 2, mode="loss")
    total(losses).backward()
    grads = [p.grad for p in model.heads["boxes"].parameters() if p.requires_grad]
    assert all(g is not None and not g.any() for g in grads)
    assert losses["boxes.images"] == 0


def test_groups_of_different_sizes_give_the_loss_of_all_their_images(images: Tensor) -> None:
    model = build().eval()
    samples = [sample(), sample()]
    whole = model(images, samples, mode="loss")
    parts = model([images[:1], images[1:]], [samples[:1], samples[1:]], mode="loss")
    torch.testing.assert_close(parts["cls.loss"], whole["cls.loss"])
    torch.testing.assert_close(parts["tags.loss"], whole["tags.loss"])


def test_a_head_runs_only_on_the_groups_that_have_labels_for_it(images: Tensor) -> None:
    model = build()
    calls = []
    model.heads["cls"].fc.register_forward_hook(lambda *_: calls.append("cls"))
    model.heads["boxes"].detector.register_forward_hook(lambda *_: calls.append("boxes"))
    samples = [[sample(boxes=False)], [sample(cls=False)]]
    total(model([images[:1], images[1:]], samples, mode="loss")).backward()
    assert calls == ["cls", "boxes"]
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_every_head_answers_for_every_image(images: Tensor) -> None:
    answers = build().eval()(images, [sample(cls=False, boxes=False), sample()], mode="predict")
    for answer in answers:
        assert answer.task("cls").pred_score.sum().item() == pytest.approx(1)
        assert answer.task("tags").pred_score.shape == (3,)
        assert answer.task("boxes").pred_instances.bboxes.shape[1] == 4
    assert not answers[0].labelled("boxes")


def test_unlabelled_images_are_answered(images: Tensor) -> None:
    answers = build().eval()(images, mode="predict")
    assert [sorted(a.keys()) for a in answers] == [["boxes", "cls", "tags"]] * 2


def test_tensor_mode_gives_each_heads_output(images: Tensor) -> None:
    found = build().eval()(images)
    assert found["cls"].shape == (2, 4)
    assert len(found["boxes"][0]) == 3


def test_two_heads_of_one_kind_do_not_overwrite_each_other(images: Tensor) -> None:
    heads = {"one": HEADS["cls"], "two": {**HEADS["cls"], "num_classes": 7}}
    both = MultiTaskDataSample()
    both.set_task("one", ClsDataSample().set_gt_label(0))
    both.set_task("two", ClsDataSample().set_gt_label(6))
    model = build(heads=heads, neck=None)
    assert {"one.loss", "two.loss"} < set(model(images, [both, both], mode="loss"))


def test_a_head_may_read_a_level_of_the_pyramid(images: Tensor) -> None:
    heads = {"cls": {**HEADS["cls"], "in_channels": 16}, "boxes": HEADS["boxes"]}
    model = build(heads=heads, inputs={"cls": ("neck", 0)}).eval()
    feats = model.extract_feats(images)
    assert [f.shape[-1] for f in feats["cls"]] == [8]
    assert model(images)["cls"].shape == (2, 4)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"heads": {}}, "no heads"),
        ({"heads": {"my-loss": HEADS["cls"]}}, "my-loss"),
        ({"heads": {"to": HEADS["cls"]}}, "method"),
        ({"loss_weights": {"box": 1.0}}, "box"),
        ({"inputs": {"cls": "stem"}}, "stem"),
        ({"neck": None, "inputs": {"cls": "neck"}}, "has none"),
        ({"balance": "max"}, "pcgrad"),
        ({"frozen": ("trunk",)}, "parts of the model"),
        ({"heads": {"cls": HEADS["cls"]}}, "none reads it"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build(**settings)


def test_uncertainty_starts_at_the_plain_sum_and_is_learned(images: Tensor) -> None:
    samples = [sample(), sample()]
    plain = total(build().eval()(images, samples, mode="loss"))
    model = build(uncertainty=True).eval()
    learned = total(model(images, samples, mode="loss"))
    torch.testing.assert_close(learned, plain)
    learned.backward()
    for name, s in model.uncertainty.log_variances.items():
        losses = {
            k: v
            for k, v in model(images, samples, mode="loss").items()
            if k != f"{name}.loss_uncertainty"
        }
        expected = 0.5 - total(losses, f"{name}.")
        torch.testing.assert_close(s.grad, expected)


def test_a_head_added_to_a_frozen_model_leaves_the_other_answers_as_they_were(
    images: Tensor,
) -> None:
    old = build(heads={"cls": HEADS["cls"], "boxes": HEADS["boxes"]})
    new = build(frozen=("backbone", "neck", "cls", "boxes"))
    missing = new.load_state_dict(old.state_dict(), strict=False).missing_keys
    assert {key.split(".")[1] for key in missing} == {"tags"}
    before = old.eval()(images)
    new.train()
    optimizer = torch.optim.SGD([p for p in new.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        total(new(images, [sample(), sample()], mode="loss")).backward()
        optimizer.step()
    after = new.eval()(images)
    assert torch.equal(before["cls"], after["cls"])
    for one, other in zip(before["boxes"], after["boxes"], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
