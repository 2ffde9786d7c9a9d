# torchrun --nproc-per-node 8 tools/train.py configs/multilabel/tresnet_l_nuswide_448.py --launcher pytorch --amp fp16
# one GPU, or none: python tools/train.py configs/multilabel/tresnet_l_nuswide_448.py
#
# NUS-WIDE, several labels an image, at 448 px.
_base_ = [
    "../_base_/models/tresnet_multilabel.py",
    "../_base_/datasets/nuswide_multilabel_448.py",
    "../_base_/schedules/asl_40_of_80e_onecycle.py",
    "../_base_/multilabel_runtime.py",
]

model = dict(backbone=dict(arch="tresnet_l"))
load_from = "timm/tresnet_l.miil_in1k_448"

# published: mAP 65.2 (arXiv 2009.14119).
# ours: not measured.
