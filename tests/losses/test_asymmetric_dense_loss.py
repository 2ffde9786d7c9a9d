from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tresnet_tasks.losses import AsymmetricDenseLoss, AsymmetricLoss
from tresnet_tasks.registry import MODELS

LABELS = torch.tensor([0, 2, 3, 3, 1])  # 3 is the background of three classes


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def by_formula(logits: Tensor, gamma_neg: float, gamma_pos: float, clip: float) -> Tensor:
    """The paper's equations, label by label."""
    losses = torch.zeros_like(logits)
    for row, label in enumerate(LABELS.tolist()):
        for column in range(3):
            p = torch.sigmoid(logits[row, column])
            if column == label:
                losses[row, column] = -((1 - p) ** gamma_pos) * p.log()
            else:
                shifted = (p - clip).clamp(min=0)
                losses[row, column] = -(shifted**gamma_neg) * (1 - shifted).log()
    return losses


def test_integer_labels_give_the_papers_loss(logits: Tensor) -> None:
    loss = AsymmetricDenseLoss(use_sigmoid=True, gamma_neg=4, gamma_pos=1, clip=0.05, eps=0)
    expected = by_formula(logits, 4, 1, 0.05)
    torch.testing.assert_close(loss(logits, LABELS, reduction_override="none"), expected)
    torch.testing.assert_close(loss(logits, LABELS, reduction_override="sum"), expected.sum())
    torch.testing.assert_close(loss(logits, LABELS), expected.mean())


def test_weights_and_average_factor_are_used_as_mmdet_uses_them(logits: Tensor) -> None:
    from mmdet.models.losses.utils import weight_reduce_loss

    loss = AsymmetricDenseLoss(use_sigmoid=True, loss_weight=2.0)
    weight = torch.tensor([1.0, 0.5, 0.0, 2.0, 1.0], dtype=torch.float64)
    each = loss(logits, LABELS, reduction_override="none")
    for factor in (None, 3.0, torch.tensor(3.0)):
        expected = weight_reduce_loss(each, weight[:, None], "mean", factor)
        torch.testing.assert_close(loss(logits, LABELS, weight, avg_factor=factor), expected)


def test_it_is_focal_loss_without_alpha_at_its_settings(logits: Tensor) -> None:
    from mmdet.models.losses import FocalLoss

    loss = AsymmetricDenseLoss(
        use_sigmoid=True, gamma_neg=2, gamma_pos=2, clip=0, detach_weight=False
    )
    focal = FocalLoss(use_sigmoid=True, gamma=2.0, alpha=0.5)  # half of each side
    pred = logits.float().requires_grad_()
    ours = loss(pred, LABELS, avg_factor=2.0)
    torch.testing.assert_close(ours, 2 * focal(pred, LABELS, avg_factor=2.0))
    (slope,) = torch.autograd.grad(ours, pred)
    (expected,) = torch.autograd.grad(2 * focal(pred, LABELS, avg_factor=2.0), pred)
    torch.testing.assert_close(slope, expected)


def test_targets_may_be_given_for_each_class(logits: Tensor) -> None:
    loss = AsymmetricDenseLoss(use_sigmoid=True)
    hot = torch.eye(4)[LABELS][:, :3]
    torch.testing.assert_close(loss(logits, hot), loss(logits, LABELS))
    torch.testing.assert_close(
        loss(logits, LABELS, reduction_override="sum"), AsymmetricLoss()(logits, hot)
    )


def test_no_boxes_at_all_cost_nothing_and_keep_the_graph() -> None:
    pred = torch.zeros(0, 3, requires_grad=True)
    loss = AsymmetricDenseLoss(use_sigmoid=True)(pred, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert loss == 0


def test_half_precision_is_computed_in_float32(logits: Tensor) -> None:
    loss = AsymmetricDenseLoss(use_sigmoid=True)
    assert loss(logits.bfloat16(), LABELS).dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "call", "message"),
    [
        ({}, {}, "Write use_sigmoid=True into its config"),
        ({"use_sigmoid": True, "reduction": "max"}, {}, "reduction='max'"),
        ({"use_sigmoid": True, "reduction": "sum"}, {"avg_factor": 2.0}, "belongs to 'mean'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    arguments: dict[str, Any], call: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        AsymmetricDenseLoss(**arguments)(
            torch.zeros(1, 3), torch.zeros(1, dtype=torch.int64), **call
        )


@pytest.mark.parametrize("head", ["FCOSHead", "ATSSHead", "RetinaHead"])
def test_dense_heads_learn_by_it(head: str) -> None:
    from mmengine.structures import InstanceData

    settings: dict[str, Any] = {
        "type": f"mmdet.{head}",
        "num_classes": 3,
        "in_channels": 8,
        "feat_channels": 8,
        "stacked_convs": 1,
        "loss_cls": {"type": "AsymmetricDenseLoss", "use_sigmoid": True},
    }
    if head != "RetinaHead":  # those with group normalisation
        settings["norm_cfg"] = {"type": "GN", "num_groups": 2}
    anchors = {"strides": [8, 16, 32, 64, 128], "octave_base_scale": 4, "scales_per_octave": 1}
    if head != "FCOSHead":
        settings["anchor_generator"] = {"type": "AnchorGenerator", "ratios": [1.0], **anchors}
        kind = "ATSSAssigner" if head == "ATSSHead" else "MaxIoUAssigner"
        more = {"topk": 9} if head == "ATSSHead" else {"pos_iou_thr": 0.5, "neg_iou_thr": 0.4}
        settings["train_cfg"] = {
            "assigner": {"type": kind, **more},
            "sampler": {"type": "PseudoSampler"},
            "allowed_border": -1,
            "pos_weight": -1,
        }
    model = MODELS.build(settings)
    maps = [torch.randn(1, 8, side, side) for side in (8, 4, 2, 1, 1)]
    truth = InstanceData(
        bboxes=torch.tensor([[4.0, 4, 40, 36]]), labels=torch.zeros(1, dtype=torch.int64)
    )
    meta = {"img_shape": (64, 64), "pad_shape": (64, 64), "batch_input_shape": (64, 64)}
    losses = model.loss_by_feat(*model(maps), [truth], [meta])
    loss = losses["loss_cls"]
    loss = sum(loss) if isinstance(loss, list) else loss
    loss.backward()
    assert loss.isfinite() and loss > 0
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.cls_convs.parameters())
