"""Small joint models, and images with labels for their heads."""

from __future__ import annotations

import sys
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
BACKBONE: dict[str, Any] = {"type": "TResNet", "arch": ARCH, "out_indices": (1, 2, 3)}
NECK: dict[str, Any] = {
    "type": "mmdet.FPN",
    "in_channels": [32, 256, 512],
    "out_channels": 16,
    "num_outs": 3,
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
            "backbone": BACKBONE,
            "neck": NECK,
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


@pytest.fixture
def joint() -> Any:
    """This module: ``HEADS``, ``BACKBONE``, ``NECK``, ``build``, ``sample`` and ``total``."""
    return sys.modules[__name__]
