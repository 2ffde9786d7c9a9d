"""Transforms: callables from one ``results`` dict to the next."""

from __future__ import annotations

from .albumentations import Albumentations
from .cutout import Cutout
from .load_image import LoadImage
from .pack import PackClsInputs
from .torchvision import TorchVision

__all__ = ["Albumentations", "Cutout", "LoadImage", "PackClsInputs", "TorchVision"]
