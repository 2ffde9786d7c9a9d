# COCO 2017 at 640x640 px with mosaic and mixup, as RTMDet is trained.
_base_ = "./coco_detection.py"
_side = (640, 640)
_grey = dict(img=(114, 114, 114))
_train_pipeline = [
    dict(type="LoadImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="CachedMosaic", img_scale=_side, pad_val=114.0),
    dict(type="RandomResize", scale=(1280, 1280), ratio_range=(0.1, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=_side),
    dict(type="YOLOXHSVRandomAug"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="Pad", size=_side, pad_val=_grey),
    dict(
        type="CachedMixUp",
        img_scale=_side,
        ratio_range=(1.0, 1.0),
        max_cached_images=20,
        pad_val=(114, 114, 114),
    ),
    dict(type="PackDetSample"),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(type="Resize", scale=_side, keep_ratio=True),
    dict(type="Pad", size=_side, pad_val=_grey),
    dict(type="PackDetSample"),
]
tta_pipeline = [
    dict(type="LoadImage"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="Resize", scale=(side, side), keep_ratio=True) for side in (640, 320, 960)],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="Pad", size=(960, 960), pad_val=_grey)],
            [dict(type="PackDetSample")],
        ],
    ),
]
train_dataloader = dict(
    batch_size=32,  # x 8 GPUs = 256 images a step
    num_workers=10,
    dataset=dict(pipeline=_train_pipeline),
)
val_dataloader = dict(batch_size=5, dataset=dict(pipeline=_test_pipeline))
test_dataloader = val_dataloader
