# torchrun --nproc-per-node 8 tools/train.py configs/multilabel/tresnet_m_coco_mldecoder.py --launcher pytorch
# one GPU, or none: python tools/train.py configs/multilabel/tresnet_m_coco_mldecoder.py
#
# COCO 2014 by ML-Decoder (arXiv 2111.12933) at 224 px: one query a class, the rest as in tresnet_m_coco_224.py.
_base_ = [
    "../_base_/models/tresnet_multilabel.py",
    "../_base_/datasets/coco2014_multilabel.py",
    "../_base_/schedules/asl_40_of_80e_onecycle.py",
    "../_base_/multilabel_runtime.py",
]

model = dict(backbone=dict(arch="tresnet_m"), head=dict(type="MLDecoderHead"))
train_dataloader = dict(batch_size=16)  # x 8 GPUs = 128 images a step
load_from = "timm/tresnet_m.miil_in21k"

# published: mAP 84.2 (M at 224 px, weights from ImageNet-21k).
# ours: not measured.
