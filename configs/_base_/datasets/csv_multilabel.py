# Two tables of images and labels, see CSVTags and data/README.md; squashed to 224x224. The config gives data_root.
_train_pipeline = [
    dict(type="LoadImage"),
    dict(type="Albumentations", transforms=[dict(type="Resize", height=224, width=224)]),
    dict(type="Cutout", factor=0.5),
    dict(type="TorchVision", name="RandAugment", num_ops=2, magnitude=9),
    dict(type="PackClsInputs"),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(type="Albumentations", transforms=[dict(type="Resize", height=224, width=224)]),
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
    dataset=dict(
        type="CSVTags",
        ann_file="train.csv",
        pipeline=_train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="EpochSampler", shuffle=False),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="CSVTags",
        ann_file="val.csv",
        test_mode=True,
        pipeline=_test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(type="MultiLabelMetric")
test_evaluator = val_evaluator
