# COCO 2014 as labels of whole images: train2014 and val2014, 80 classes, images with annotations alone, squashed to
# 224x224 (see data/README.md). As the authors' ASL code, but for RandAugment: theirs has 15 operations, each left out
# half of the time.
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
        type="CocoTags",
        data_root="data/coco",
        ann_file="annotations/instances_train2014.json",
        data_prefix="train2014",
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
        type="CocoTags",
        data_root="data/coco",
        ann_file="annotations/instances_val2014.json",
        data_prefix="val2014",
        test_mode=True,
        pipeline=_test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(type="MultiLabelMetric", threshold=0.8)  # as the authors' scripts do
test_evaluator = val_evaluator
