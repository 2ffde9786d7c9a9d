# python tools/test.py configs/cls/tresnet_xl_imagenet_448.py timm/tresnet_xl.miil_in1k_448
#
# Evaluation at 448 px: the whole image is squashed to 448x448. Training from here would run at 448 px too.
_base_ = [
    "../_base_/models/tresnet_cls.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/imagenet_300e_onecycle.py",
    "../_base_/runtime.py",
]
_pipeline = [
    dict(type="LoadImage"),
    dict(type="Albumentations", transforms=[dict(type="Resize", height=448, width=448)]),
    dict(type="PackClsInputs"),
]

model = dict(backbone=dict(arch="tresnet_xl"))
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=_pipeline))
val_dataloader = dict(batch_size=32, dataset=dict(pipeline=_pipeline))
test_dataloader = dict(batch_size=32, dataset=dict(pipeline=_pipeline))

# published weights: 83.1 top-1.
# ours: not measured.
