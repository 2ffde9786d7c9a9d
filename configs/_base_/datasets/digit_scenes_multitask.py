# The embedded scenes with all three annotations: the largest digit, the digits present, a box around each.
_train_pipeline = [
    dict(type="LoadImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    # No flips: a mirrored digit is another digit, or none.
    dict(
        type="Albumentations",
        transforms=[dict(type="Affine", translate_percent=0.06, scale=(0.9, 1.1))],
        min_visibility=0.3,
    ),
    dict(type="PackTasks"),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackTasks"),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="JointDataset",
        readers=dict(
            cls=dict(type="DigitScenes", split="train", task="cls"),
            tags=dict(type="DigitScenes", split="train", task="tags"),
            boxes=dict(type="DigitScenes", split="train", task="det"),
        ),
        pipeline=_train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=100,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="EpochSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="JointDataset",
        readers=dict(
            cls=dict(type="DigitScenes", split="val", task="cls"),
            tags=dict(type="DigitScenes", split="val", task="tags"),
            boxes=dict(type="DigitScenes", split="val", task="det", test_mode=True),
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
    metrics=dict(
        cls=dict(type="Accuracy", topk=(1,)),
        tags=dict(type="MultiLabelMetric"),
        boxes=dict(type="DetectionMetric"),
    ),
    score={"cls/top1": 1 / 3, "tags/mAP": 1 / 3, "boxes/AP50": 1 / 3},
)
test_evaluator = val_evaluator
