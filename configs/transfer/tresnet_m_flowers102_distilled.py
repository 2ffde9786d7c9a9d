# python tools/prepare.py flowers102
# python tools/train.py configs/transfer/tresnet_l_flowers102.py --amp bf16 --work-dir work_dirs/flowers102_teacher
#     --cfg-options train_dataloader.dataset.split=train val_dataloader.dataset.split=val
# TEACHER=work_dirs/flowers102_teacher/best.pth
#     python tools/train.py configs/transfer/tresnet_m_flowers102_distilled.py --amp bf16
#
# Flowers-102 the way of PaddleClas' tour: the teacher has the labels of the 1,020 training photos; the student learns
# its answers for these and, without their labels, for the 6,149 of the test split; the validation split measures both.
# An epoch is all 7,169 photos once.
_base_ = "./tresnet_m_flowers102.py"
_pipeline = _base_.train_dataloader.dataset.pipeline

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="ConcatImages",
        datasets=dict(
            labelled=dict(
                type="Flowers102", data_root="data/flowers102", split="train", pipeline=_pipeline
            ),
            unlabelled=dict(
                type="Flowers102",
                data_root="data/flowers102",
                split="test",
                pipeline=[*_pipeline[:-1], dict(type="PackClsInputs", labels=False)],
            ),
        ),
    )
)
val_dataloader = dict(dataset=dict(split="val"))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=15)  # x 224 steps = 3,360; the teacher's 50 epochs are 1,550
custom_hooks = [
    dict(type="ModelEMAHook", decay=0.995),
    dict(type="DistillationHook", weights="{{$TEACHER:work_dirs/flowers102_teacher/best.pth}}"),
]

# published: PaddleClas' MobileNetV3 distilled so reaches 0.9647 top-1, and 0.9000 without.
# ours: not measured.
