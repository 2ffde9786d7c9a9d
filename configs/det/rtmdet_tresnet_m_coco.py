# python tools/train.py configs/det/rtmdet_tresnet_m_coco.py
# 8 GPUs: torchrun --nproc-per-node 8 tools/train.py det/rtmdet_tresnet_m_coco --launcher pytorch --amp bf16
#
# RTMDet-l with TResNet-M in place of CSPNeXt: 640 px, mosaic and mixup, AdamW over 300 epochs, averaged weights.
# Mosaics are made of images that a worker has seen before, so a resumed run differs from the undisturbed one.
_base_ = [
    "../_base_/models/rtmdet.py",
    "../_base_/datasets/coco_detection_640.py",
    "../_base_/runtime.py",
]

model = dict(
    backbone=dict(
        arch="tresnet_m",
        init_cfg=dict(type="Pretrained", checkpoint="timm/tresnet_m.miil_in1k"),
    )
)
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=10)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=0.004, weight_decay=0.05),  # for 8 x 32 images a step
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-5, by_epoch=False, begin=0, end=1000),
    dict(
        type="CosineAnnealingLR",
        eta_min=0.0002,
        begin=150,
        end=300,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
custom_hooks = [dict(type="ModelEMAHook", decay=0.9998)]

# not measured.
