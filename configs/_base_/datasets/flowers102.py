# Flowers-102 in its published files (python tools/prepare.py flowers102), squashed to 368x368. As in papers, 2,040
# photos to train on, its training and validation splits, and 6,149 to test on; report the last epoch.
_train_pipeline = [
    dict(type="LoadRandomResizedCrop", size=368, scale=(0.35, 1.0), flip=0.5),
    dict(
        type="Albumentations",
        transforms=[dict(type="Erasing", scale=(0.02, 0.33), fill="random_uniform", p=0.5)],
    ),
    dict(type="PackClsInputs"),
]
_test_pipeline = [
    dict(type="LoadImage"),
    dict(type="Albumentations", transforms=[dict(type="Resize", height=368, width=368)]),
    dict(type="PackClsInputs"),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="Flowers102", data_root="data/flowers102", split="trainval", pipeline=_train_pipeline
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="EpochSampler", shuffle=False),
    collate_fn=dict(type="collate"),
    dataset=dict(
        type="Flowers102",
        data_root="data/flowers102",
        split="test",
        test_mode=True,
        pipeline=_test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(type="Accuracy", topk=(1, 5))
test_evaluator = val_evaluator
