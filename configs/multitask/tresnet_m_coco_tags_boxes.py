# python tools/train.py configs/multitask/tresnet_m_coco_tags_boxes.py
# 8 GPUs: torchrun --nproc-per-node 8 tools/train.py multitask/tresnet_m_coco_tags_boxes --launcher pytorch --amp bf16
#
# COCO's tags and boxes of an image from one forward pass: mmdet's 1x schedule of FCOS with a head for tags beside it.
_base_ = [
    "../_base_/models/tresnet_multitask.py",
    "../_base_/datasets/coco_multitask.py",
    "../_base_/schedules/coco_1x.py",
    "../_base_/runtime.py",
]

model = dict(
    data_preprocessor=dict(size_divisor=32),
    backbone=dict(
        arch="tresnet_m",
        frozen_stages=1,
        norm_eval=True,  # two images a GPU tell too little about a batch
        init_cfg=dict(type="Pretrained", checkpoint="timm/tresnet_m.miil_in1k"),
    ),
    heads=dict(
        _delete_=True,
        tags={{_base_.model.heads.tags}},
        boxes={{_base_.model.heads.boxes}},
    ),
    loss_weights=dict(tags=1 / 16),  # a sum over the images; the losses of boxes are means
)
optim_wrapper = dict(paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0))
default_hooks = dict(checkpoint=dict(save_best="score"))
custom_hooks = [dict(type="TaskGradientsHook")]

# not measured.
