# Photos sorted into a folder a class, {train,val}/<class>/*.jpg. Crops of 224 px. The config gives data_root.
_train_pipeline = [
    dict(type="LoadRandomResizedCrop", size=224, scale=(0.35, 1.0), flip=0.5),
    dict(type="PackClsInputs"),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(
        type="Albumentations",
        transforms=[
            dict(type="SmallestMaxSize", max_size=256),
            dict(type="CenterCrop", height=224, width=224),
        ],
    ),
    dict(type="PackClsInputs"),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(type="ImageFolder", data_prefix="train", pipeline=_train_pipeline),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="EpochSampler", shuffle=False),
    collate_fn=dict(type="collate"),
    dataset=dict(type="ImageFolder", data_prefix="val", test_mode=True, pipeline=_test_pipeline),
)
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(type="Accuracy", topk=(1,))
test_evaluator = val_evaluator
