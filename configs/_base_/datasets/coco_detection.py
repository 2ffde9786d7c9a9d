# COCO 2017: data/coco/{train2017,val2017}/*.jpg and data/coco/annotations/instances_{train,val}2017.json (see
# data/README.md). Short side of 640 to 800 px in training and of 800 px in tests, the long one at most 1333.
_train_pipeline = [
    dict(type="LoadImage"),  # RGB, so the preprocessor has no bgr_to_rgb
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="RandomChoiceResize",
        scales=[(1333, 640), (1333, 672), (1333, 704), (1333, 736), (1333, 768), (1333, 800)],
        keep_ratio=True,
    ),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetSample"),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(type="Resize", scale=(1333, 800), keep_ratio=True),
    dict(type="PackDetSample"),
]
# For test --tta: three sizes, each as it is and mirrored.
tta_pipeline = [
    dict(type="LoadImage"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="Resize", scale=scale, keep_ratio=True)
                for scale in ((1333, 800), (666, 400), (2000, 1200))
            ],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="PackDetSample")],
        ],
    ),
]
train_dataloader = dict(
    batch_size=2,  # x 8 GPUs = 16 images a step
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="CocoDetection",
        data_root="data/coco",
        ann_file="annotations/instances_train2017.json",
        data_prefix="train2017",
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
        type="CocoDetection",
        data_root="data/coco",
        ann_file="annotations/instances_val2017.json",
        data_prefix="val2017",
        test_mode=True,
        pipeline=_test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(type="DetectionMetric")
test_evaluator = val_evaluator
