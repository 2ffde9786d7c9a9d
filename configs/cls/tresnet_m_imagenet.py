# python tools/train.py configs/cls/tresnet_m_imagenet.py
# 8 GPUs: torchrun --nproc-per-node 8 tools/train.py configs/cls/tresnet_m_imagenet.py --launcher pytorch --amp bf16
#
# The paper's recipe: 300 epochs of SGD with one-cycle, AutoAugment, Cutout, label smoothing. Not published are batch
# size, peak rate, the smoothing (0.1 here) and Cutout's size (half of each side here, as in the authors' ASL code).
_base_ = [
    "../_base_/models/tresnet_cls.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/imagenet_300e_onecycle.py",
    "../_base_/runtime.py",
]

model = dict(backbone=dict(arch="tresnet_m"))

# published: 80.8 top-1 at 224 px (arXiv 2003.13630, table 1).
# ours: not measured.
