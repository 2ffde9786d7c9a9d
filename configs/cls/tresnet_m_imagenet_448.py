# python tools/test.py configs/cls/tresnet_m_imagenet_448.py timm/tresnet_m.miil_in1k_448
#
# Evaluation at 448 px.
_base_ = [
    "../_base_/models/tresnet_cls.py",
    "../_base_/datasets/imagenet_448.py",
    "../_base_/schedules/imagenet_300e_onecycle.py",
    "../_base_/runtime.py",
]

model = dict(backbone=dict(arch="tresnet_m"))

# published weights: 81.7 top-1.
# ours: not measured.
