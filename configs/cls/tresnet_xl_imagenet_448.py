# python tools/test.py configs/cls/tresnet_xl_imagenet_448.py timm/tresnet_xl.miil_in1k_448
#
# Evaluation at 448 px.
_base_ = [
    "../_base_/models/tresnet_cls.py",
    "../_base_/datasets/imagenet_448.py",
    "../_base_/schedules/imagenet_300e_onecycle.py",
    "../_base_/runtime.py",
]

model = dict(backbone=dict(arch="tresnet_xl"))

# published weights: 83.1 top-1.
# ours: not measured.
