# make quickstart TASK=det, or: python tools/train.py configs/quickstart/det_digit_scenes.py
#
# FCOS on a small TResNet learns the embedded data set on two laptop cores: where are the digits, and which are they?
_base_ = ["../_base_/models/fcos.py", "../_base_/runtime.py"]
_epochs = 4
# No flips: a mirrored digit is another digit, or none.
_pipeline = [
    dict(type="LoadImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackDetSample"),
]

_blocks = ("basic", "basic", "bottleneck", "bottleneck")

# The smallest digits are 8 pixels wide: maps at strides 4, 8 and 16 in place of 8 to 128, and narrow ones.
model = dict(
    backbone=dict(
        arch=dict(layers=(1, 2, 2, 1), width_factor=0.25, blocks=_blocks),
        out_indices=(0, 1, 2),
        zero_init_last=False,  # in minutes, a block that has to grow first is late
    ),
    neck=dict(out_channels=32, num_outs=3),
    bbox_head=dict(
        stacked_convs=2,
        feat_channels=32,
        strides=[4, 8, 16],
        regress_ranges=((-1, 12), (12, 24), (24, 1e8)),
        norm_cfg=dict(type="BN"),
        conv_bias="auto",
    ),
    test_cfg=dict(max_per_img=20, nms_pre=200),
)
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(type="DigitScenes", task="det", split="train", pipeline=_pipeline),
)
val_dataloader = dict(
    batch_size=100,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="EpochSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="collate"),
    dataset=dict(type="DigitScenes", task="det", split="val", test_mode=True, pipeline=_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="DetectionMetric")
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=_epochs, val_interval=2)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=9e-3, weight_decay=0.02, fused=True),
    paramwise_cfg=dict(flat_decay_mult=0.0),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = dict(
    type="OneCycleLR",
    eta_max=9e-3,
    pct_start=0.1,
    by_epoch=True,
    convert_to_iter_based=True,
)
default_hooks = dict(checkpoint=dict(save_best="AP50"))
custom_hooks = [dict(type="ModelEMAHook", decay=0.998)]
randomness = dict(seed=0)

# measured 2026-11-22 on 2 CPU cores: AP50 0.879, 4 min 30 s in all.
