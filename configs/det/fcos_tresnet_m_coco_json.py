# python tools/train.py configs/det/fcos_tresnet_m_coco_json.py
#
# FCOS on your own boxes in COCO's json: copy this file and edit what follows. The classes are the json's categories.
_base_ = "./fcos_tresnet_m_coco.py"
_root = "data/mine"

train_dataloader = dict(
    batch_size=4,
    dataset=dict(data_root=_root, ann_file="train.json", data_prefix="images"),
)
val_dataloader = dict(
    batch_size=4,
    dataset=dict(data_root=_root, ann_file="val.json", data_prefix="images"),
)
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=0.0025))  # 0.01 is for 16 images a step
# load_from = "work_dirs/fcos_tresnet_m_coco/best.pth"  # a detector to start from, where there is one

# not measured.
