# FLOWERS5=path/to/flowers python tools/train.py configs/quickstart/cls_flowers5_resnet50.py
#
# The peer of cls_flowers5.py: torchvision's ResNet-50 from random weights, everything else the same.
_base_ = "./cls_flowers5.py"

model = dict(backbone=dict(_delete_=True, type="TorchvisionBackbone", name="resnet50"))

# not measured.
