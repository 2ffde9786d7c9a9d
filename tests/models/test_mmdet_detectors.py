"""Every detector of ours made small, and each of mmdet's detector classes on a small TResNet.

The latter take most of a minute and are left out by default: ``make test PYTEST_ARGS="-m slow"``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmdet
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData, PixelData

from tresnet_tasks.registry import MODELS
from tresnet_tasks.training.completion import complete_config

ROOT = Path(__file__).resolve().parents[2] / "configs"
OURS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("det/*.py", "quickstart/det_*.py")
    for path in ROOT.glob(pattern)
)
MMDETS = Path(mmdet.__file__).parent / ".mim" / "configs"
# One config for each class.
CONFIGS = {
    "ATSS": "atss/atss_r50_fpn_1x_coco.py",
    "AutoAssign": "autoassign/autoassign_r50-caffe_fpn_1x_coco.py",
    "BoxInst": "boxinst/boxinst_r50_fpn_ms-90k_coco.py",
    "CascadeRCNN": "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py",
    "CenterNet": "centernet/centernet-update_r50-caffe_fpn_ms-1x_coco.py",
    "CondInst": "condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py",
    "ConditionalDETR": "conditional_detr/conditional-detr_r50_8xb2-50e_coco.py",
    "CornerNet": "cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py",
    "CrowdDet": "crowddet/crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman.py",
    "DABDETR": "dab_detr/dab-detr_r50_8xb2-50e_coco.py",
    "DDOD": "ddod/ddod_r50_fpn_1x_coco.py",
    "DDQDETR": "ddq/ddq-detr-4scale_r50_8xb2-12e_coco.py",
    "DETR": "detr/detr_r50_8xb2-150e_coco.py",
    "DINO": "dino/dino-4scale_r50_8xb2-12e_coco.py",
    "DeformableDETR": "deformable_detr/deformable-detr_r50_16xb2-50e_coco.py",
    "FCOS": "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
    "FOVEA": "foveabox/fovea_r50_fpn_4xb4-1x_coco.py",
    "FSAF": "fsaf/fsaf_r50_fpn_1x_coco.py",
    "FastRCNN": "fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py",
    "FasterRCNN": "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "GFL": "gfl/gfl_r50_fpn_1x_coco.py",
    "GridRCNN": "grid_rcnn/grid-rcnn_r50_fpn_gn-head_2x_coco.py",
    "HybridTaskCascade": "htc/htc-without-semantic_r50_fpn_1x_coco.py",
    "KnowledgeDistillationSingleStageDetector": "ld/ld_r18-gflv1-r101_fpn_1x_coco.py",
    "LAD": "lad/lad_r50-paa-r101_fpn_2xb8_coco_1x.py",
    "Mask2Former": "mask2former/mask2former_r50_8xb2-lsj-50e_coco.py",
    "MaskFormer": "maskformer/maskformer_r50_ms-16xb1-75e_coco.py",
    "MaskRCNN": "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "MaskScoringRCNN": "ms_rcnn/ms-rcnn_r50-caffe_fpn_1x_coco.py",
    "NASFCOS": "nas_fcos/nas-fcos_r50-caffe_fpn_nashead-gn-head_4xb4-1x_coco.py",
    "PAA": "paa/paa_r50_fpn_1x_coco.py",
    "PanopticFPN": "panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py",
    "PointRend": "point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py",
    "QueryInst": "queryinst/queryinst_r50_fpn_1x_coco.py",
    "RPN": "rpn/rpn_r50_fpn_1x_coco.py",
    "RTMDet": "rtmdet/rtmdet_l_8xb32-300e_coco.py",
    "RepPointsDetector": "reppoints/reppoints-moment_r50_fpn_1x_coco.py",
    "RetinaNet": "retinanet/retinanet_r50_fpn_1x_coco.py",
    "SCNet": "scnet/scnet_r50_fpn_1x_coco.py",
    "SOLO": "solo/solo_r50_fpn_1x_coco.py",
    "SOLOv2": "solov2/solov2_r50_fpn_1x_coco.py",
    "SingleStageDetector": "ssd/ssd300_coco.py",
    "SoftTeacher": "soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py",
    "SparseRCNN": "sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py",
    "TOOD": "tood/tood_r50_fpn_1x_coco.py",
    "VFNet": "vfnet/vfnet_r50_fpn_1x_coco.py",
    "YOLACT": "yolact/yolact_r50_1xb8-55e_coco.py",
    "YOLOF": "yolof/yolof_r50-c5_8xb8-1x_coco.py",
    "YOLOV3": "yolo/yolov3_d53_8xb8-ms-608-273e_coco.py",
    "YOLOX": "yolox/yolox_s_8xb8-300e_coco.py",
}
EXCEPTED = {
    **dict.fromkeys(("GLIP", "GroundingDINO"), "text model"),
    "TridentFasterRCNN": "a backbone that runs three times with shared weights",
    "Detectron2Wrapper": "networks of detectron2, which is not ours to replace",
    **dict.fromkeys(
        ("DetectionTransformer", "SemiBaseDetector", "SingleStageInstanceSegmentor"),
        "base class without configs",
    ),
    **dict.fromkeys(
        ("TwoStageDetector", "TwoStagePanopticSegmentor"), "base class without configs"
    ),
}
# mmdet's PointRend refuses a batch without any, and SSD takes three negatives for each positive.
NEEDS_A_BOX = {"PointRend", "SingleStageDetector"}
SIZES = {"SingleStageDetector": 304}  # SSD's extra maps need this many pixels
AT_MOST = {
    "num_queries": 20,
    "num_proposals": 20,
    "stacked_convs": 1,
    "fc_out_channels": 32,
    "deform_fc_channels": 16,
    "feedforward_channels": 32,
    "nms_pre": 60,
    "num_convs": 1,
    "num_points": 64,
    "max_per_img": 20,
}


def small(out_indices: tuple[int, ...]) -> dict[str, Any]:
    blocks = ("basic", "basic", "bottleneck", "bottleneck")
    arch = {"layers": (1, 1, 1, 1), "width_factor": 0.125, "blocks": blocks}
    return {"type": "tresnet_tasks.TResNet", "arch": arch, "out_indices": out_indices}


def shrink(tree: Any) -> None:
    """Fewer layers, queries and hidden numbers, wherever they are."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in AT_MOST and isinstance(value, int):
                tree[key] = min(value, AT_MOST[key])
            elif key == "num_layers" and value == 6:  # of a transformer
                tree[key] = 2
            elif value == "SyncBN":
                tree[key] = "BN"
            elif key == "init_cfg" and value and "Pretrained" in str(value):
                tree[key] = None
            shrink(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            shrink(value)


def on_tresnet(model: Any, classes: list[str] | None = None) -> Any:
    """A detector of mmdet's with its backbone exchanged, and the channels that follow from it."""
    if "detector" in model:  # semi-supervised: student and teacher are of one config
        model.detector = on_tresnet(model.detector)
        return model
    kind = model.backbone.type
    maps = {"SSDVGG": (1, 2), "HourglassNet": (0,), "Darknet": (1, 2, 3)}
    maps |= dict.fromkeys(("CSPDarknet", "CSPNeXt"), (1, 2, 3))
    indices = tuple(model.backbone.out_indices) if kind not in maps else maps[kind]
    model.backbone = small(indices)
    if model.get("neck") is not None:
        (model.neck[0] if isinstance(model.neck, list) else model.neck).in_channels = None
    elif model.get("panoptic_head") is not None:
        model.panoptic_head.in_channels = None
    preprocessor = model.data_preprocessor
    for key in ("mean", "std", "bgr_to_rgb", "batch_augments"):
        preprocessor.pop(key, None)
    preprocessor.update(mean=[0.0] * 3, std=[255.0] * 3, pad_size_divisor=32)
    shrink(model)
    return complete_config(Config({"model": model}), classes).model


def mmdets(name: str) -> Any:
    """The detector of one of mmdet's classes, built."""
    model = Config.fromfile(MMDETS / CONFIGS[name]).model
    if name == "CornerNet":  # a stacked hourglass tells the same at each of its ends
        model.bbox_head.update(num_feat_levels=1, in_channels=None)
    elif name == "LAD":
        model.teacher_ckpt = None
        model.teacher_backbone = small((0, 1, 2, 3))
        model.teacher_neck.in_channels = [8, 16, 128, 256]
    elif name == "KnowledgeDistillationSingleStageDetector":
        teacher = Config.fromfile(MMDETS / CONFIGS["GFL"]).model
        model.update(teacher_config={"model": on_tresnet(teacher)}, teacher_ckpt=None)
    elif name == "SingleStageDetector":
        model.bbox_head.in_channels = (16, 128, *model.bbox_head.in_channels[2:])
        model.neck.out_channels = [16, 128, *model.neck.out_channels[2:]]
    elif (
        name == "QueryInst"
    ):  # mmdet cannot paste masks of boxes far outside, as untrained ones are
        for head in model.roi_head.bbox_head:
            head.bbox_coder.target_stds = [0.01] * 4
    elif name == "SCNet":
        model.roi_head.feat_relay_head.in_channels = AT_MOST["fc_out_channels"]
    return build(on_tresnet(model))


def build(model: Any) -> Any:
    with DefaultScope.overwrite_default_scope("tresnet_tasks"):
        built = MODELS.build(model)
        built.init_weights()  # DETRs have parameters that are raw memory before this
    return built


def sample(model: Any, boxes: int, size: int) -> Any:
    """What a reader gives of one image: boxes, masks, stuff and proposals, for those who want them."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

    corners = torch.tensor([[4.0, 4, 40, 36], [20, 16, 60, 60], [8, 30, 20, 44]])[:boxes]
    masks = np.zeros((boxes, size, size), dtype=np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, corners.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = 1
    shape = (size, size)
    meta = {"img_shape": shape, "ori_shape": shape, "img_id": 1, "img_path": "1.jpg"}
    meta |= {
        "scale_factor": (1.0, 1.0),
        "flip": False,
        "homography_matrix": np.eye(3, dtype=np.float32),
    }
    found = DetDataSample(metainfo=meta)
    labels = torch.zeros(boxes, dtype=torch.int64)
    found.gt_instances = InstanceData(bboxes=corners, labels=labels)
    if model.with_mask or hasattr(model, "panoptic_head"):
        found.gt_instances.masks = BitmapMasks(masks, *shape)
    found.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
    step = 8 if type(model).__name__ == "SCNet" else 4 if "Panoptic" in type(model).__name__ else 1
    stuff = torch.full((1, size // step, size // step), 81, dtype=torch.int64)
    found.gt_sem_seg = PixelData(sem_seg=stuff)
    if type(model).__name__ == "FastRCNN":
        places = torch.tensor([[4.0, 4, 40, 36], [20, 20, 50, 50]])
        found.proposals = InstanceData(bboxes=places, scores=torch.tensor([0.9, 0.8]))
    return found


def batch(model: Any, boxes: int, size: int, number: int = 2) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (number, 3, size, size), generator=generator, dtype=torch.uint8)
    samples = [sample(model, boxes, size) for _ in range(number)]
    if not hasattr(model, "student"):
        return {"inputs": list(images), "data_samples": samples}
    branches = ("sup", "unsup_teacher", "unsup_student")
    return {
        "inputs": {branch: list(images) for branch in branches},
        "data_samples": {
            branch: [sample(model, boxes, size) for _ in range(number)] for branch in branches
        },
    }


def check_it_learns_and_predicts(model: Any, boxes: int, size: int = 64) -> None:
    MessageHub.get_current_instance().update_info("epoch", 0)  # TOOD asks for them
    MessageHub.get_current_instance().update_info("iter", 0)
    model.train()
    packed = model.data_preprocessor(batch(model, boxes, size), True)
    loss, _ = model.parse_losses(model(**packed, mode="loss"))
    loss.backward()
    assert loss.isfinite()
    backbone = (model.student if hasattr(model, "student") else model).backbone
    slope = backbone.body.conv1.conv.weight.grad
    assert slope is not None and slope.isfinite().all()
    assert slope.abs().sum() > 0
    model.eval()
    one = batch(getattr(model, "teacher", model), boxes, size, number=1)  # some take a single image
    preprocess = getattr(model.data_preprocessor, "data_preprocessor", model.data_preprocessor)
    with torch.no_grad():
        (found,) = model(**preprocess(one, False), mode="predict")
    if "pred_instances" in found:
        assert found.pred_instances.bboxes.isfinite().all()
    else:
        assert "pred_panoptic_seg" in found


@pytest.mark.parametrize("name", OURS)
def test_each_detector_of_ours_learns_and_predicts(name: str) -> None:
    torch.manual_seed(0)
    model = build(on_tresnet(Config.fromfile(ROOT / name).model, classes=[*map(str, range(80))]))
    for boxes in (3, 0):
        model.zero_grad()
        check_it_learns_and_predicts(model, boxes)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_each_class_of_mmdets_learns_and_predicts(name: str) -> None:
    if name == "BoxInst":
        pytest.importorskip("skimage", reason="BoxInst compares colours by scikit-image")
    torch.manual_seed(0)
    model = mmdets(name)
    for boxes in (3,) if name in NEEDS_A_BOX else (3, 0):
        model.zero_grad()
        check_it_learns_and_predicts(model, boxes, SIZES.get(name, 64))


def test_no_class_is_forgotten() -> None:
    from mmdet.models.detectors.base import BaseDetector

    sibling = MODELS.mmdet_sibling()
    assert sibling is not None
    kinds = {n for n, kind in sibling.module_dict.items() if issubclass_of(kind, BaseDetector)}
    assert kinds - CONFIGS.keys() == set(EXCEPTED)


def issubclass_of(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)
