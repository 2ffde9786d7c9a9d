"""The loss of a detector on the validation data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict

from tresnet_tasks.datasets import collate
from tresnet_tasks.datasets.transforms import PackDetSample
from tresnet_tasks.registry import MODELS
from tresnet_tasks.training.hooks import DetectorLossHook


@pytest.fixture(scope="module")
def runner() -> SimpleNamespace:
    torch.manual_seed(0)
    model = MODELS.build(
        ConfigDict(
            type="mmdet.FCOS",
            data_preprocessor=dict(
                type="mmdet.DetDataPreprocessor", mean=[0] * 3, std=[255] * 3, pad_size_divisor=32
            ),
            backbone=dict(
                type="tresnet_tasks.TResNet",
                arch=dict(layers=(1, 1, 1, 1), width_factor=0.125, blocks=("basic",) * 4),
                out_indices=(2, 3),
            ),
            neck=dict(type="mmdet.FPN", in_channels=[32, 64], out_channels=8, num_outs=2),
            bbox_head=dict(
                type="mmdet.FCOSHead",
                num_classes=2,
                in_channels=8,
                feat_channels=8,
                stacked_convs=1,
                strides=[16, 32],
                regress_ranges=((-1, 32), (32, 1e8)),
                norm_cfg=dict(type="BN"),
            ),
            test_cfg=dict(
                nms_pre=10, score_thr=0.0, nms=dict(type="nms", iou_threshold=0.5), max_per_img=5
            ),
        )
    )
    return SimpleNamespace(model=model.eval())


def _batch(*seeds: int, scale: float = 1.0, with_boxes: bool = True) -> dict[str, Any]:
    box = [4.0, 6, 40, 50]
    samples = []
    for seed in seeds:
        results: dict[str, Any] = dict(
            img=np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8),
            img_path=f"{seed}.png",
            img_id=seed,
            ori_shape=(64, 64),
            scale_factor=(scale, scale),
            instances=[dict(bbox=box, bbox_label=1, ignore_flag=0)],
        )
        if with_boxes:
            results["gt_bboxes"] = np.array([box], dtype=np.float32)
            results["gt_bboxes_labels"] = np.array([1])
        samples.append(PackDetSample()(results))
    return collate(samples)


def test_it_is_the_mean_over_the_images_of_the_training_s_loss(runner: SimpleNamespace) -> None:
    hook, batches = DetectorLossHook(), [_batch(1, 2), _batch(3)]
    losses = []
    with torch.no_grad():
        for batch in batches:
            data = runner.model.data_preprocessor(batch, False)
            losses.append(runner.model.parse_losses(runner.model(**data, mode="loss"))[0].item())
    for _ in range(2):  # the second validation begins anew
        hook.before_val_epoch(runner)
        for index, batch in enumerate(batches):
            runner.model.val_step(batch)
            hook.after_val_iter(runner, index, batch)
        metrics = {"AP": 0.5}
        hook.after_val_epoch(runner, metrics)
        expected = pytest.approx((2 * losses[0] + losses[1]) / 3, rel=1e-5)
        assert metrics == {"AP": 0.5, "val/loss": expected}
    assert all(parameter.grad is None for parameter in runner.model.parameters())


def test_boxes_that_were_not_loaded_are_asked_for(runner: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match=r"1.png has no boxes .*LoadAnnotations"):
        DetectorLossHook().after_val_iter(runner, 0, _batch(1, with_boxes=False))


def test_boxes_that_were_loaded_behind_the_resize_are_refused(runner: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="Put LoadAnnotations before Resize"):
        DetectorLossHook().after_val_iter(runner, 0, _batch(1, scale=2.0))
