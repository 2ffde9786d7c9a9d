"""Operators that are not served: none of mmdet's parts asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

# By the beginnings of their names; the first that fits counts.
NEEDED_BY = (
    (
        "rotated boxes (mmrotate)",
        "active_rotated_filter box_iou_quadri nms_quadri convex_ min_area_polygons "
        "points_in_polygons riroi_align_rotated roi_align_rotated rotated_feature_align "
        "diff_iou_rotated",
    ),
    (
        "point clouds (mmdet3d)",
        "assign_score_withk ball_query stack_ball_query furthest_point gather_points group_points "
        "stack_group_points iou3d knn points_in_boxes roiaware_pool3d roipoint_pool3d "
        "dynamic_point_to_voxel dynamic_voxelize hard_voxelize get_indice_pairs indice_ "
        "fused_indice_conv three_ chamfer_distance",
    ),
    ("text (mmocr)", "bezier_align contour_expand pixel_group"),
    ("image generation (mmagic)", "bias_act filtered_lrelu fused_bias_leakyrelu upfirdn2d"),
    ("optical flow (mmflow)", "correlation"),
    ("segmentation by PSANet (mmsegmentation)", "psamask"),
    ("action recognition by TIN (mmaction2)", "tin_shift"),
    ("BorderDet", "border_align"),
    ("PrRoIPool", "prroi_pool"),
)


def needed_by(name: str) -> str | None:
    """What needs the operator ``name``; None where that is not known."""
    for need, beginnings in NEEDED_BY:
        if name.startswith(tuple(beginnings.split())):
            return need
    return None


def refusal(name: str) -> Callable[..., NoReturn]:
    """A stand-in for the operator ``name`` that raises NotImplementedError when it is called."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        need = needed_by(name)
        raise NotImplementedError(
            f"mmcv's compiled operator {name!r} was called"
            f"{f', which {need} needs' if need else ''}. It is not among those that work without "
            "compiled mmcv: the ones mmdet's detectors use. Install an mmcv with compiled operators "
            "(it is then used instead), or choose a part that does not need this one."
        )

    refuse.__name__ = refuse.__qualname__ = name
    return refuse
