# python tools/train.py configs/det/faster_rcnn_tresnet_m_coco.py
# 8 GPUs: torchrun --nproc-per-node 8 tools/train.py det/faster_rcnn_tresnet_m_coco --launcher pytorch --amp bf16
#
# mmdet's Faster R-CNN on TResNet-M.
_base_ = [
    "mmdet::_base_/models/faster-rcnn_r50_fpn.py",
    "../_base_/datasets/coco_detection.py",
    "../_base_/schedules/coco_1x.py",
    "../_base_/runtime.py",
]

model = dict(
    data_preprocessor=dict(mean=[0.0] * 3, std=[255.0] * 3, bgr_to_rgb=False),
    backbone=dict(
        _delete_=True,
        type="tresnet_tasks.TResNet",
        arch="tresnet_m",
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,
        norm_eval=True,
        init_cfg=dict(type="Pretrained", checkpoint="timm/tresnet_m.miil_in1k"),
    ),
    neck=dict(in_channels=None),  # ResNet's are in the base; None has them filled in
)
optim_wrapper = dict(optimizer=dict(lr=0.02))

# not measured.
