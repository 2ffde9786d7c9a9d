# The embedded scenes with all three annotations: the largest digit, the digits present, a box around each.
# Nothing is augmented: in a few epochs nothing is learnt by heart. No flips in any case: a mirrored digit is another
# digit, or none.
_pipeline = [
    dict(type="LoadImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackTasks"),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=0,  # reading is so little that a process of its own gets in the way
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
        pipeline=_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=100,
    num_workers=0,
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
        pipeline=_pipeline,
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
