# python tools/train.py configs/transfer/tresnet_m_imagenette_resnet50.py --amp bf16
#
# The peer of tresnet_m_imagenette.py: torchvision's ResNet-50 from random weights, everything else the same.
_base_ = "./tresnet_m_imagenette.py"

model = dict(backbone=dict(_delete_=True, type="TorchvisionBackbone", name="resnet50"))

# not measured.
