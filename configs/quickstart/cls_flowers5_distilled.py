# FLOWERS5=path/to/flowers python tools/train.py configs/quickstart/cls_flowers5.py
#     --cfg-options model.backbone.arch=tresnet_l --work-dir work_dirs/cls_flowers5_teacher
# FLOWERS5=path/to/flowers TEACHER=work_dirs/cls_flowers5_teacher/best.pth
#     python tools/train.py configs/quickstart/cls_flowers5_distilled.py
#
# cls_flowers5.py with a larger teacher: TResNet-M learns what TResNet-L answers for the same augmented images, and not
# the labels (SSLD, arXiv 2103.05959). With the labels too: --cfg-options custom_hooks.0.label_weight=1.
# Images without labels may join: dataset=dict(type="ConcatImages", datasets=dict(known=dict(...),
# rest=dict(type="UnlabelledFolder", data_root=..., pipeline=_train_pipeline))).
_base_ = "./cls_flowers5.py"

custom_hooks = [
    dict(
        type="DistillationHook",
        weights="{{$TEACHER:work_dirs/cls_flowers5_teacher/best.pth}}",
        label_weight=0.0,
    )
]

# measured: not yet.
