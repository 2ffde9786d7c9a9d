# python tools/prepare.py imagenette
# python tools/train.py configs/transfer/tresnet_m_imagenette.py --amp bf16
# 20 epochs, or 80: add --cfg-options train_cfg.max_epochs=20
#
# From random weights: 9,469 photos of ten classes at 128 px, 5 epochs (740 steps). The one-cycle is as long as the run.
_base_ = [
    "../_base_/models/tresnet_cls.py",
    "../_base_/datasets/imagenette_128.py",
    "../_base_/runtime.py",
]

model = dict(backbone=dict(arch="tresnet_m"), data_preprocessor=dict(channels_last=True))
train_cfg = dict(by_epoch=True, max_epochs=5, val_interval=1)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2e-3, weight_decay=0.05, fused=True),
    paramwise_cfg=dict(flat_decay_mult=0.0),
)
param_scheduler = dict(
    type="OneCycleLR",
    eta_max=2e-3,
    pct_start=0.2,
    by_epoch=True,
    convert_to_iter_based=True,
)
randomness = dict(seed=0)

# published: top-1 87.43, 91.57 and 93.55 for 5, 20 and 80 epochs (Imagenette's leaderboard: other nets, other recipes).
# ours, 5 epochs on 2 CPU cores shared with other work: top-1 74.27 in 32 minutes; 20 and 80 not measured.
