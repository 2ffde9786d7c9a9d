# VOC 2007 as labels of whole images: trainval (5,011) and test (4,952), 20 classes; a class with nothing but difficult
# objects is unknown (see data/README.md).
_train_pipeline = [
    dict(type="LoadImage"),
    dict(type="Albumentations", transforms=[dict(type="Resize", height=448, width=448)]),
    dict(type="Cutout", factor=0.5),
    dict(type="TorchVision", name="RandAugment", num_ops=2, magnitude=9),
    dict(type="PackClsInputs"),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(type="Albumentations", transforms=[dict(type="Resize", height=448, width=448)]),
    dict(type="PackClsInputs"),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="VOCTags",
        data_root="data/VOCdevkit/VOC2007",
        ann_file="ImageSets/Main/trainval.txt",
        pipeline=_train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="EpochSampler", shuffle=False),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="VOCTags",
        data_root="data/VOCdevkit/VOC2007",
        ann_file="ImageSets/Main/test.txt",
        test_mode=True,
        pipeline=_test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(type="MultiLabelMetric")
test_evaluator = val_evaluator
