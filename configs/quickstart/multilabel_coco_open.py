# COCO_OPEN=path/to/coco_open python tools/train.py configs/quickstart/multilabel_coco_open.py
#
# Does it learn at all? A small TResNet learns COCO photos by heart: training and validation see the same images, not
# augmented; the test sees the others. $COCO_OPEN holds annotations/instances_{train,val}2017.json and both folders.
_base_ = ["../_base_/models/tresnet_multilabel.py", "../_base_/multilabel_runtime.py"]
_root = "{{$COCO_OPEN:data/coco_open}}"
_epochs = 80
_pipeline = [
    dict(type="LoadImage"),
    dict(type="Albumentations", transforms=[dict(type="Resize", height=128, width=128)]),
    dict(type="PackClsInputs"),
]
_train = dict(
    type="CocoTags",
    data_root=_root,
    ann_file="annotations/instances_train2017.json",
    data_prefix="train2017",
    pipeline=_pipeline,
)
_val = dict(
    type="CocoTags",
    data_root=_root,
    ann_file="annotations/instances_val2017.json",
    data_prefix="val2017",
    test_mode=True,
    pipeline=_pipeline,
)
_loader = dict(num_workers=1, persistent_workers=True, collate_fn=dict(type="collate"))

model = dict(
    backbone=dict(
        arch=dict(
            layers=(1, 2, 2, 1),
            width_factor=0.5,
            blocks=("basic", "basic", "bottleneck", "bottleneck"),
        )
    ),
    data_preprocessor=dict(channels_last=True),
)
train_dataloader = dict(
    batch_size=17,  # x 5 = all 85 images
    sampler=dict(type="EpochSampler", shuffle=True),
    dataset=_train,
    **_loader,
)
val_dataloader = dict(
    batch_size=17,
    sampler=dict(type="EpochSampler", shuffle=False),
    dataset=dict(_train, test_mode=True),
    **_loader,
)
test_dataloader = dict(
    batch_size=17, sampler=dict(type="EpochSampler", shuffle=False), dataset=_val, **_loader
)
val_evaluator = dict(type="MultiLabelMetric")
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=_epochs, val_interval=10)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=3e-3, weight_decay=0.0))
param_scheduler = dict(
    type="OneCycleLR",
    eta_max=3e-3,
    pct_start=0.2,
    by_epoch=True,
    convert_to_iter_based=True,
)
default_hooks = dict(
    logger=dict(interval=5),
    checkpoint=dict(interval=_epochs),
    split_check=dict(overlap="ignore"),
)
randomness = dict(seed=0)

# measured 2026-11-22 on one CPU thread: mAP of the 85 training images 0.618, 0.950, 0.929 and 1.000 after 10, 20, 30
# and 40 epochs, 1.000 from there on (reports/curves.png of the work dir); of the 49 others 0.207.
