"""Backbones: TResNet, and torchvision's for comparison."""

from .packed_blocks import pack_for_cpu
from .torchvision_backbone import TorchvisionBackbone
from .tresnet import ARCHS, Arch, FeatureSpec, TResNet

__all__ = ["ARCHS", "Arch", "FeatureSpec", "TResNet", "TorchvisionBackbone", "pack_for_cpu"]
