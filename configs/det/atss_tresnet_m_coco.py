# python tools/train.py configs/det/atss_tresnet_m_coco.py
# 8 GPUs: torchrun --nproc-per-node 8 tools/train.py det/atss_tresnet_m_coco --launcher pytorch --amp bf16
#
# ATSS as mmdet trains it, on TResNet-M.
_base_ = [
    "../_base_/models/atss.py",
    "../_base_/datasets/coco_detection.py",
    "../_base_/schedules/coco_1x.py",
    "../_base_/runtime.py",
]

model = dict(
    backbone=dict(
        arch="tresnet_m",
        frozen_stages=1,
        norm_eval=True,
        init_cfg=dict(type="Pretrained", checkpoint="timm/tresnet_m.miil_in1k"),
    )
)

# not measured.
