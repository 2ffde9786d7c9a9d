# COCO 2014 as labels of whole images, squashed to 640x640.
_base_ = "./coco2014_multilabel.py"
_train_pipeline = [
    dict(type="LoadImage"),
    dict(type="Albumentations", transforms=[dict(type="Resize", height=640, width=640)]),
    dict(type="Cutout", factor=0.5),
    dict(type="TorchVision", name="RandAugment", num_ops=2, magnitude=9),
    dict(type="PackClsInputs"),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(type="Albumentations", transforms=[dict(type="Resize", height=640, width=640)]),
    dict(type="PackClsInputs"),
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_train_pipeline))  # x 8 GPUs = 128
val_dataloader = dict(batch_size=64, dataset=dict(pipeline=_test_pipeline))
test_dataloader = val_dataloader
