"""What ``mmcv._ext`` holds when tresnet_tasks serves it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch

from . import (
    box_iou,
    carafe,
    deform_conv,
    deform_roi_pool,
    focal_loss,
    masked_conv,
    modulated_deform_conv,
    ms_deform_attn,
    nms,
    roi_align,
    roi_pool,
    rotated_boxes,
    sync_bn,
)
from .refused import refusal


def get_compiler_version() -> str:
    """For mmcv's report on the environment."""
    return "none: operators of tresnet_tasks, in PyTorch"


def get_compiling_cuda_version() -> str:
    """For mmcv's report on the environment: that of torch."""
    return torch.version.cuda or "not available"


OPERATORS: dict[str, Any] = {
    operator.__name__: operator
    for operator in (
        box_iou.bbox_overlaps,
        carafe.carafe_backward,
        carafe.carafe_forward,
        carafe.carafe_naive_backward,
        carafe.carafe_naive_forward,
        deform_conv.deform_conv_backward_input,
        deform_conv.deform_conv_backward_parameters,
        deform_conv.deform_conv_forward,
        modulated_deform_conv.modulated_deform_conv_backward,
        modulated_deform_conv.modulated_deform_conv_forward,
        deform_roi_pool.deform_roi_pool_backward,
        deform_roi_pool.deform_roi_pool_forward,
        focal_loss.sigmoid_focal_loss_backward,
        focal_loss.sigmoid_focal_loss_forward,
        focal_loss.softmax_focal_loss_backward,
        focal_loss.softmax_focal_loss_forward,
        get_compiler_version,
        get_compiling_cuda_version,
        masked_conv.masked_col2im_forward,
        masked_conv.masked_im2col_forward,
        ms_deform_attn.ms_deform_attn_backward,
        ms_deform_attn.ms_deform_attn_forward,
        nms.nms,
        nms.nms_match,
        nms.softnms,
        roi_align.roi_align_backward,
        roi_align.roi_align_forward,
        roi_pool.roi_pool_backward,
        roi_pool.roi_pool_forward,
        rotated_boxes.box_iou_rotated,
        rotated_boxes.nms_rotated,
        sync_bn.sync_bn_backward_data,
        sync_bn.sync_bn_backward_param,
        sync_bn.sync_bn_forward_mean,
        sync_bn.sync_bn_forward_output,
        sync_bn.sync_bn_forward_var,
    )
}


def fill(module: ModuleType) -> None:
    """Put the operators into ``module``; any other public name is there too, and refuses.

    mmcv asserts at import that each operator exists, whether or not it will be called.
    """

    def other(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        return refusal(name)

    vars(module).update(OPERATORS, __getattr__=other, __doc__=__doc__)
