# Open Images V6, 9,605 trainable classes, labels verified by people: a row a label, all others unknown (see
# data/README.md).
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
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="CSVTags",
        data_root="data/open_images",
        path_column="ImageID",
        path_suffix=".jpg",
        label_column="LabelName",
        value_column="Confidence",
        classes_file="classes.csv",
        unlisted=-1,
        skip_other_names=True,  # people have verified more classes than can be trained
        ann_file="oidv6-train-annotations-human-imagelabels.csv",
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
        type="CSVTags",
        data_root="data/open_images",
        path_column="ImageID",
        path_suffix=".jpg",
        label_column="LabelName",
        value_column="Confidence",
        classes_file="classes.csv",
        unlisted=-1,
        skip_other_names=True,
        ann_file="validation-annotations-human-imagelabels.csv",
        data_prefix="validation",
        test_mode=True,
        pipeline=_test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(type="MultiLabelMetric", per_class=False)  # no 9,605 lines in each log
test_evaluator = val_evaluator
