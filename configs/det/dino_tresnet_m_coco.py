# python tools/train.py configs/det/dino_tresnet_m_coco.py
# 8 GPUs: torchrun --nproc-per-node 8 tools/train.py det/dino_tresnet_m_coco --launcher pytorch --amp bf16
#
# DINO with deformable attention on TResNet-M: mmdet's 12 epochs, with its image sizes but without its crops.
_base_ = [
    "../_base_/models/dino.py",
    "../_base_/datasets/coco_detection.py",
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
train_cfg = dict(by_epoch=True, max_epochs=12, val_interval=1)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=1e-4),  # for 8 x 2 images a step
    clip_grad=dict(max_norm=0.1, norm_type=2),
    paramwise_cfg=dict(custom_keys={"backbone": dict(lr_mult=0.1)}),
)
param_scheduler = dict(
    type="MultiStepLR", by_epoch=True, begin=0, end=12, milestones=[11], gamma=0.1
)

# not measured.
