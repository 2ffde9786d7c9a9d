# BCCD=path/to/BCCD python tools/train.py configs/quickstart/det_bccd_resnet50.py --amp bf16
#
# The peer of det_bccd.py: mmdet's ResNet-50 from random weights, everything else the same.
_base_ = "./det_bccd.py"

model = dict(
    backbone=dict(
        _delete_=True,
        type="mmdet.ResNet",
        depth=50,
        out_indices=(1, 2, 3),
        norm_eval=False,
    ),
    neck=dict(in_channels=[512, 1024, 2048]),
    bbox_head=dict(in_channels=256),
)

# not measured.
