# ImageNet-1k as a folder a class: data/imagenet/{train,val}/<wnid>/*.JPEG (see data/README.md). Crops of 224 px.
_train_pipeline = [
    dict(type="LoadRandomResizedCrop", size=224, scale=(0.08, 1.0), flip=0.5),
    dict(type="TorchVision", name="AutoAugment"),  # the ImageNet policy
    dict(type="Cutout", factor=0.5),
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
    batch_size=128,  # x 8 GPUs = 1024 images a step
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="ImageFolder",
        data_root="data/imagenet",
        data_prefix="train",
        pipeline=_train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="EpochSampler", shuffle=False),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="ImageFolder",
        data_root="data/imagenet",
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
