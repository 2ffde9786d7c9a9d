# torchrun --nproc-per-node 8 tools/train.py configs/multilabel/tresnet_xl_voc07_448.py --launcher pytorch --amp fp16
# one GPU, or none: python tools/train.py configs/multilabel/tresnet_xl_voc07_448.py
#
# VOC 2007, several labels an image, at 448 px. Published results start from weights trained on COCO: set load_from.
_base_ = [
    "../_base_/models/tresnet_multilabel.py",
    "../_base_/datasets/voc2007_multilabel_448.py",
    "../_base_/schedules/asl_40_of_80e_onecycle.py",
    "../_base_/multilabel_runtime.py",
]

model = dict(backbone=dict(arch="tresnet_xl"))
load_from = "timm/tresnet_xl.miil_in1k_448"

# published: mAP 96.0 (arXiv 2009.14119; started from COCO).
# ours: not measured.
