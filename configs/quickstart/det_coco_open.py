# COCO_OPEN=path/to/coco_open python tools/train.py configs/quickstart/det_coco_open.py
#
# The whole way of a detector on a handful of COCO photos, crowds and masks included: too few to learn anything of use.
# $COCO_OPEN holds annotations/instances_{train,val}2017.json and both folders.
_base_ = [
    "../_base_/models/fcos.py",
    "../_base_/datasets/coco_detection.py",
    "../_base_/runtime.py",
]
_root = "{{$COCO_OPEN:data/coco_open}}"
_epochs = 6
_pipeline = [
    dict(type="LoadImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=(256, 192), keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetSample"),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(type="Resize", scale=(256, 192), keep_ratio=True),
    dict(type="PackDetSample"),
]
tta_pipeline = None  # COCO's is for larger images; None is the image and its mirror image

model = dict(
    backbone=dict(
        arch=dict(
            layers=(1, 2, 2, 1),
            width_factor=0.5,
            blocks=("basic", "basic", "bottleneck", "bottleneck"),
        )
    ),
    neck=dict(out_channels=64),
    bbox_head=dict(stacked_convs=2, feat_channels=64),
)
train_dataloader = dict(
    batch_size=4, num_workers=1, dataset=dict(data_root=_root, pipeline=_pipeline)
)
val_dataloader = dict(
    batch_size=4, num_workers=1, dataset=dict(data_root=_root, pipeline=_test_pipeline)
)
test_dataloader = val_dataloader
train_cfg = dict(by_epoch=True, max_epochs=_epochs, val_interval=2)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.02),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = dict(
    type="OneCycleLR",
    eta_max=1e-3,
    pct_start=0.2,
    by_epoch=True,
    convert_to_iter_based=True,
)
default_hooks = dict(logger=dict(interval=5))
randomness = dict(seed=0)

# measured 2026-11-22: trained, killed, resumed, tested; AP50 0.001 on the 49 other photos, as expected.
