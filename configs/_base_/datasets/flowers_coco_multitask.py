# Flower photos in a folder a class ($FLOWERS5/{train,val}) beside COCO photos with tags and boxes ($COCO_OPEN with
# annotations/ and {train,val}2017/), all at 128 px.
_flowers = "{{$FLOWERS5:data/flowers5}}"
_coco = "{{$COCO_OPEN:data/coco_open}}"
_train = dict(
    data_root=_coco, ann_file="annotations/instances_train2017.json", data_prefix="train2017"
)
_val = dict(data_root=_coco, ann_file="annotations/instances_val2017.json", data_prefix="val2017")
_size = dict(type="Resize", height=128, width=128)
_flip = dict(type="HorizontalFlip")
_load = [dict(type="LoadImage"), dict(type="LoadAnnotations", with_bbox=True)]
_photo = [dict(type="LoadImage"), dict(type="Albumentations", transforms=[_size])]
_crop = dict(type="RandomResizedCrop", size=(128, 128), scale=(0.35, 1.0))

train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="TaskSampler", images=dict(cls=24, coco=8)),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="MultiTaskDataset",
        datasets=dict(
            cls=dict(
                type="ImageFolder",
                data_root=_flowers,
                data_prefix="train",
                pipeline=[
                    dict(type="LoadImage"),
                    dict(type="Albumentations", transforms=[_crop, _flip]),
                    dict(type="PackClsInputs"),
                ],
            ),
            coco=dict(
                type="JointDataset",
                readers=dict(
                    tags=dict(type="CocoTags", **_train), boxes=dict(type="CocoDetection", **_train)
                ),
                pipeline=[
                    *_load,
                    dict(type="Albumentations", transforms=[_size, _flip]),
                    dict(type="PackTasks"),
                ],
            ),
        ),
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="EpochSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="MultiTaskDataset",
        datasets=dict(
            coco=dict(
                type="JointDataset",
                readers=dict(
                    tags=dict(type="CocoTags", **_val),
                    boxes=dict(type="CocoDetection", test_mode=True, **_val),
                ),
                test_mode=True,
                pipeline=[
                    *_photo,
                    dict(type="LoadAnnotations", with_bbox=True),
                    dict(type="PackTasks"),
                ],
            ),
            cls=dict(
                type="ImageFolder",
                data_root=_flowers,
                data_prefix="val",
                test_mode=True,
                pipeline=[*_photo, dict(type="PackClsInputs")],
            ),
        ),
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
