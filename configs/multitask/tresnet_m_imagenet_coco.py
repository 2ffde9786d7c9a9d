# python tools/train.py configs/multitask/tresnet_m_imagenet_coco.py
# 8 GPUs: torchrun --nproc-per-node 8 tools/train.py multitask/tresnet_m_imagenet_coco --launcher pytorch --amp bf16
#
# One backbone, two data sets, three heads: ImageNet's classes at 224 px, COCO's tags and boxes at 800 px. Each step
# takes both; an epoch is one pass over COCO, in which a third of ImageNet is seen.
_base_ = [
    "../_base_/models/tresnet_multitask.py",
    "../_base_/datasets/coco_multitask.py",
    "../_base_/schedules/coco_1x.py",
    "../_base_/runtime.py",
]
_middle = dict(type="CenterCrop", height=224, width=224)
_photos = dict(type="ImageFolder", data_root="data/imagenet")

model = dict(
    # The two sets differ in size and content, so each is normalised by its own statistics; the running ones mix.
    data_preprocessor=dict(batch_statistics="per_source", size_divisor=32),
    backbone=dict(
        arch="tresnet_m",
        norm_eval=True,  # as loaded: two images a GPU tell too little about a batch
        init_cfg=dict(type="Pretrained", checkpoint="timm/tresnet_m.miil_in1k"),
    ),
    loss_weights=dict(tags=1 / 16),
)
train_dataloader = dict(
    batch_size=10,
    sampler=dict(_delete_=True, type="TaskSampler", images=dict(cls=8, coco=2), epoch_of="coco"),
    dataset=dict(
        _delete_=True,
        type="MultiTaskDataset",
        datasets=dict(
            cls=dict(
                data_prefix="train",
                pipeline=[
                    dict(type="LoadRandomResizedCrop", size=224, scale=(0.2, 1.0), flip=0.5),
                    dict(type="PackClsInputs"),
                ],
                **_photos,
            ),
            coco={{_base_.train_dataloader.dataset}},
        ),
    ),
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="MultiTaskDataset",
        datasets=dict(
            coco={{_base_.val_dataloader.dataset}},
            cls=dict(
                data_prefix="val",
                test_mode=True,
                pipeline=[
                    dict(type="LoadImage"),
                    dict(
                        type="Albumentations",
                        transforms=[dict(type="SmallestMaxSize", max_size=256), _middle],
                    ),
                    dict(type="PackClsInputs"),
                ],
                **_photos,
            ),
        ),
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(
    metrics=dict(cls=dict(type="Accuracy", topk=(1, 5))),
    score={"cls/top1": 1 / 3, "tags/mAP": 1 / 3, "boxes/AP": 1 / 3},
)
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best="score"))
custom_hooks = [dict(type="TaskGradientsHook")]

# not measured.
