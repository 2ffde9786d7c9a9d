# FLOWERS5=path/to/flowers python tools/train.py configs/quickstart/cls_flowers5.py
#
# A folder a class: $FLOWERS5/{train,val}/{daisy,dandelion,roses,sunflowers,tulips}/*.jpg (TensorFlow's flower photos).
# TResNet-M from random weights at 128 px, on two laptop cores.
_base_ = ["../_base_/models/tresnet_cls.py", "../_base_/runtime.py"]
_root = "{{$FLOWERS5:data/flowers5}}"
_epochs = 16
_train_pipeline = [
    dict(type="LoadImage"),
    dict(
        type="Albumentations",
        transforms=[
            dict(type="RandomResizedCrop", size=(128, 128), scale=(0.35, 1.0)),
            dict(type="HorizontalFlip"),
        ],
    ),
    dict(type="PackClsInputs"),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(
        type="Albumentations",
        transforms=[
            dict(type="SmallestMaxSize", max_size=146),
            dict(type="CenterCrop", height=128, width=128),
        ],
    ),
    dict(type="PackClsInputs"),
]

model = dict(backbone=dict(arch="tresnet_m"), data_preprocessor=dict(channels_last=True))
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="ImageFolder", data_root=_root, data_prefix="train", pipeline=_train_pipeline
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="EpochSampler", shuffle=False),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="ImageFolder",
        data_root=_root,
        data_prefix="val",
        test_mode=True,
        pipeline=_test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="Accuracy", topk=(1,))
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=_epochs, val_interval=2)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05, fused=True),
    paramwise_cfg=dict(flat_decay_mult=0.0),
)
param_scheduler = dict(
    type="OneCycleLR",
    eta_max=1e-3,
    pct_start=0.2,
    by_epoch=True,
    convert_to_iter_based=True,
)
default_hooks = dict(logger=dict(interval=10))
randomness = dict(seed=0)

# measured 2026-11-22 on 2 CPU cores shared with other work, --amp bf16: top-1 0.792 in 30 minutes.
