"""Backbones: TResNet, and torchvision's for comparison."""

from .torchvision_backbone import TorchvisionBackbone
from .tresnet import ARCHS, Arch, FeatureSpec, TResNet

__all__ = ["ARCHS", "Arch", "FeatureSpec", "TResNet", "TorchvisionBackbone"]
