"""Transforms: callables from one ``results`` dict to the next."""

from __future__ import annotations

from .albumentations import Albumentations
from .cutout import Cutout
from .load_crop import LoadRandomResizedCrop
from .load_image import LoadImage
from .pack import PackClsInputs
from .pack_detection import PackDetSample
from .pack_tasks import PackTasks
from .torchvision import TorchVision

__all__ = [
    "Albumentations",
    "Cutout",
    "LoadImage",
    "LoadRandomResizedCrop",
    "PackClsInputs",
    "PackDetSample",
    "PackTasks",
    "TorchVision",
]
