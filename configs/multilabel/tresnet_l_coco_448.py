# torchrun --nproc-per-node 8 tools/train.py configs/multilabel/tresnet_l_coco_448.py --launcher pytorch --amp fp16
# one GPU, or none: python tools/train.py configs/multilabel/tresnet_l_coco_448.py
#
# COCO 2014, several labels an image: the authors' ASL recipe at 448 px, 16 images on each of 8 GPUs.
_base_ = [
    "../_base_/models/tresnet_multilabel.py",
    "../_base_/datasets/coco2014_multilabel_448.py",
    "../_base_/schedules/asl_40_of_80e_onecycle.py",
    "../_base_/multilabel_runtime.py",
]

model = dict(backbone=dict(arch="tresnet_l"))
load_from = "timm/tresnet_l.miil_in1k_448"

# published: mAP 86.6, CP 87.2, CR 76.4, CF1 81.4, OP 88.2, OR 79.2 (arXiv 2009.14119).
# ours: not measured.
