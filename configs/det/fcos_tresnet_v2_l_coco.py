# python tools/train.py configs/det/fcos_tresnet_v2_l_coco.py
# 8 GPUs: torchrun --nproc-per-node 8 tools/train.py det/fcos_tresnet_v2_l_coco --launcher pytorch --amp bf16
#
# As fcos_tresnet_m_coco.py, with bottlenecks everywhere; its weights come from ImageNet-21k.
_base_ = [
    "../_base_/models/fcos.py",
    "../_base_/datasets/coco_detection.py",
    "../_base_/schedules/coco_1x.py",
    "../_base_/runtime.py",
]

model = dict(
    backbone=dict(
        arch="tresnet_v2_l",
        frozen_stages=1,
        norm_eval=True,
        init_cfg=dict(type="Pretrained", checkpoint="timm/tresnet_v2_l.miil_in21k_ft_in1k"),
    )
)
optim_wrapper = dict(paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0))

# published: nothing that could be compared.
# ours: not measured.
