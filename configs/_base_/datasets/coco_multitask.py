# COCO 2017 with tags and boxes of each image (see data/README.md); sizes as in coco_detection.py.
_train_pipeline = [
    dict(type="LoadImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="RandomChoiceResize",
        scales=[(1333, 640), (1333, 672), (1333, 704), (1333, 736), (1333, 768), (1333, 800)],
        keep_ratio=True,
    ),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackTasks"),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(type="Resize", scale=(1333, 800), keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),  # behind Resize: in the file's pixels
    dict(type="PackTasks"),
]
_train = dict(
    data_root="data/coco",
    ann_file="annotations/instances_train2017.json",
    data_prefix="train2017",
)
_val = dict(
    data_root="data/coco",
    ann_file="annotations/instances_val2017.json",
    data_prefix="val2017",
    test_mode=True,
)
train_dataloader = dict(
    batch_size=2,  # x 8 GPUs = 16 images a step
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="JointDataset",
        readers=dict(
            tags=dict(type="CocoTags", only_annotated=False, **_train),
            boxes=dict(type="CocoDetection", **_train),
        ),
        pipeline=_train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="EpochSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="JointDataset",
        readers=dict(
            tags=dict(type="CocoTags", only_annotated=False, **_val),
            boxes=dict(type="CocoDetection", **_val),
        ),
        test_mode=True,
        pipeline=_test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(
    type="MultiTaskEvaluator",
    metrics=dict(tags=dict(type="MultiLabelMetric"), boxes=dict(type="DetectionMetric")),
    score={"tags/mAP": 0.5, "boxes/AP": 0.5},
)
test_evaluator = val_evaluator
