# Imagenette, ten classes of ImageNet (python tools/prepare.py imagenette), a folder a class: 9,469 photos to train on,
# 3,925 to validate on. Crops of 128 px, as on its leaderboard.
_train_pipeline = [
    dict(type="LoadRandomResizedCrop", size=128, scale=(0.35, 1.0), flip=0.5),
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
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="ImageFolder",
        data_root="data/imagenette",
        data_prefix="train",
        pipeline=_train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=2,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="EpochSampler", shuffle=False),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="ImageFolder",
        data_root="data/imagenette",
        data_prefix="val",
        test_mode=True,
        pipeline=_test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(type="Accuracy", topk=(1, 5))
test_evaluator = val_evaluator
