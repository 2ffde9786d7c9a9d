# torchrun --nproc-per-node 8 tools/train.py configs/multilabel/tresnet_xl_coco_448.py --launcher pytorch --amp fp16
# one GPU, or none: python tools/train.py configs/multilabel/tresnet_xl_coco_448.py
#
# COCO 2014, several labels an image: the authors' ASL recipe at 448 px, 16 images on each of 8 GPUs.
_base_ = [
    "../_base_/models/tresnet_multilabel.py",
    "../_base_/datasets/coco2014_multilabel_448.py",
    "../_base_/schedules/asl_40_of_80e_onecycle.py",
    "../_base_/multilabel_runtime.py",
]

model = dict(backbone=dict(arch="tresnet_xl"))
load_from = "timm/tresnet_xl.miil_in1k_448"

# published: none at this size.
# ours: not measured.
