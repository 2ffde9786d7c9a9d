# torchrun --nproc-per-node 8 tools/train.py configs/multilabel/tresnet_l_coco_224.py --launcher pytorch --amp fp16
# one GPU, or none: python tools/train.py configs/multilabel/tresnet_l_coco_224.py
#
# COCO 2014, several labels an image: the authors' ASL recipe at 224 px, 16 images on each of 8 GPUs.
_base_ = [
    "../_base_/models/tresnet_multilabel.py",
    "../_base_/datasets/coco2014_multilabel.py",
    "../_base_/schedules/asl_40_of_80e_onecycle.py",
    "../_base_/multilabel_runtime.py",
]

model = dict(backbone=dict(arch="tresnet_l"))
train_dataloader = dict(batch_size=16)  # x 8 GPUs = 128 images a step
load_from = "timm/tresnet_l.miil_in1k"

# published: none at this size.
# ours: not measured.
