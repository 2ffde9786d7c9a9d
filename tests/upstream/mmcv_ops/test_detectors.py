"""mmdet's own configs with a tiny backbone: each names other operators than the ones before it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from torch import Tensor

from tresnet_tasks.registry import MODELS

# What each is here for besides its family.
CONFIGS = {
    "retinanet/retinanet_r50_fpn_1x_coco.py": "nms, focal loss",
    "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py": "default losses by bare names",
    "faster_rcnn/faster-rcnn_r50_fpn_soft-nms_1x_coco.py": "roi_align, softnms",
    "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py": "roi_align of masks",
    "deformable_detr/deformable-detr_r50_16xb2-50e_coco.py": "ms_deform_attn",
    "dino/dino-4scale_r50_8xb2-12e_coco.py": "ms_deform_attn",
    "dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py": "deform_conv",
    "dcnv2/faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco.py": "modulated_deform_conv",
    "dcn/faster-rcnn_r50_fpn_dpool_1x_coco.py": "deform_roi_pool",
    "carafe/faster-rcnn_r50_fpn-carafe_1x_coco.py": "carafe",
    "dyhead/atss_r50-caffe_fpn_dyhead_1x_coco.py": "modulated_deform_conv with others' offsets",
    "guided_anchoring/ga-retinanet_r50-caffe_fpn_1x_coco.py": "masked_im2col, deform_conv",
    "pisa/faster-rcnn_r50_fpn_pisa_1x_coco.py": "nms_match",
    "tood/tood_r50_fpn_1x_coco.py": "deform_conv2d of mmcv as a function",
    "point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py": "point sampling",
}


def _small(tree: Any) -> None:
    """Fewer layers, queries and hidden numbers, wherever they are."""
    limits = {
        "num_queries": 20,
        "num_layers": 2,
        "stacked_convs": 1,
        "fc_out_channels": 32,
        "deform_fc_channels": 16,
        "feedforward_channels": 32,
        "nms_pre": 60,
        "num_convs": 1,
    }
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in limits and isinstance(value, int):
                tree[key] = min(value, limits[key])
            _small(value)
    elif isinstance(tree, list):
        for value in tree:
            _small(value)


def detector(name: str) -> torch.nn.Module:
    spec = find_spec("mmdet")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / ".mim" / "configs" / name
    model = Config.fromfile(path).model
    # A ResNet-50 has deformable convolutions, a ResNet-18 none.
    model.backbone.update(base_channels=4, depth=50, frozen_stages=-1, norm_eval=False)
    model.backbone.norm_cfg.requires_grad = True
    model.backbone.init_cfg = None
    neck = model.neck[0] if isinstance(model.neck, list) else model.neck
    channels = [16, 32, 64, 128]
    neck.in_channels = channels[-len(neck.in_channels) :]
    _small(model)
    with DefaultScope.overwrite_default_scope("tresnet_tasks"):
        built = MODELS.build(model)
        built.init_weights()  # DETRs have parameters that are raw memory before this
    return built


def batch(masks: bool) -> dict[str, Any]:
    """Two random images, one of them without boxes."""
    from mmdet.testing import demo_mm_inputs

    np.random.seed(0)
    return demo_mm_inputs(2, [[3, 64, 64], [3, 60, 52]], num_items=[3, 0], with_mask=masks)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_detector_learns_and_predicts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    def attend(value: Tensor, shapes: Tensor, places: Tensor, attention: Tensor) -> Tensor:
        """What mmcv does on CUDA; on the CPU it has a version without the operator."""
        function = MultiScaleDeformableAttnFunction
        return function.apply(value, shapes, shapes.new_zeros(0), places, attention, 64)

    attention = "mmcv.ops.multi_scale_deform_attn.multi_scale_deformable_attn_pytorch"
    monkeypatch.setattr(attention, attend)
    # TOOD asks for the epoch.
    monkeypatch.setitem(MessageHub.get_current_instance().runtime_info, "epoch", 0)
    model = detector(name)
    packed = batch(masks="mask" in name or "point_rend" in name)
    losses = model(**model.data_preprocessor(packed, True), mode="loss")
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert loss.isfinite()
    slope = model.backbone.conv1.weight.grad
    assert slope.isfinite().all()
    assert slope.abs().sum() > 0
    model.eval()
    for number in range(2):  # one by one: mmcv's masked convolution takes a single image
        one = {key: values[number : number + 1] for key, values in packed.items()}
        with torch.no_grad():
            (found,) = model(**model.data_preprocessor(one, False), mode="predict")
        assert found.pred_instances.bboxes.isfinite().all()


def test_mmdets_heads_find_their_default_losses_under_our_scope() -> None:
    with DefaultScope.overwrite_default_scope("tresnet_tasks"):
        head = MODELS.build({"type": "mmdet.FCOSHead", "num_classes": 3, "in_channels": 8})
    assert type(head.loss_cls).__name__ == "FocalLoss"
    assert MODELS.get("FCOSHead") is type(head)
