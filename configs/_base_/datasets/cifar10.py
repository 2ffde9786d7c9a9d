# CIFAR-10 in its published files (python tools/prepare.py cifar10), enlarged from 32x32 to 224x224. There are 50,000
# images to train on and 10,000 to test on, and none to choose by: report the last epoch.
_train_pipeline = [
    dict(type="LoadImage"),
    dict(
        type="Albumentations",
        transforms=[
            dict(type="PadIfNeeded", min_height=40, min_width=40),
            dict(type="RandomCrop", height=32, width=32),
            dict(type="HorizontalFlip"),
            dict(type="Resize", height=224, width=224, interpolation="INTER_CUBIC"),
            dict(type="Erasing", scale=(0.02, 0.33), fill="random_uniform", p=0.5),
        ],
    ),
    dict(type="PackClsInputs"),
]
_resize = dict(type="Resize", height=224, width=224, interpolation="INTER_CUBIC")
_test_pipeline = [
    dict(type="LoadImage"),
    dict(type="Albumentations", transforms=[_resize]),
    dict(type="PackClsInputs"),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(type="CIFAR10", data_root="data/cifar10", split="train", pipeline=_train_pipeline),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="EpochSampler", shuffle=False),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="CIFAR10",
        data_root="data/cifar10",
        split="test",
        test_mode=True,
        pipeline=_test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(type="Accuracy", topk=(1, 5))
test_evaluator = val_evaluator
