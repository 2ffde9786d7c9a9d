# ImageNet-1k at 448 px: the whole image is squashed to 448x448, as the 448 px weights were evaluated.
_base_ = "./imagenet.py"
_pipeline = [
    dict(type="LoadImage"),
    dict(type="Albumentations", transforms=[dict(type="Resize", height=448, width=448)]),
    dict(type="PackClsInputs"),
]
train_dataloader = dict(batch_size=32)
val_dataloader = dict(batch_size=32, dataset=dict(pipeline=_pipeline))
test_dataloader = val_dataloader
