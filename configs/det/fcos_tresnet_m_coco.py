# python tools/train.py configs/det/fcos_tresnet_m_coco.py
# 8 GPUs: torchrun --nproc-per-node 8 tools/train.py det/fcos_tresnet_m_coco --launcher pytorch --amp bf16
#
# The papers detect with FCOS in mmdet (arXiv 2003.13630 and 2009.14119) and publish no settings: the version of FCOS,
# schedule, image sizes and frozen stages are unknown. Here they are mmdet's for ResNet-50.
_base_ = [
    "../_base_/models/fcos.py",
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
optim_wrapper = dict(paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0))

# published: 44.0 box AP with focal loss, 44.4 with the asymmetric loss (arXiv 2009.14119; fcos_tresnet_m_asl_coco.py).
# ours: not measured.
