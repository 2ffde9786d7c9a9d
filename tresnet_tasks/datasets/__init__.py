"""Readers, samplers and transforms: from files and annotations to uint8 batches."""

from __future__ import annotations

from .base import ClassificationDataset, SampleInfo
from .collate import collate
from .csv_file import ImageCSV
from .digit_scenes import DigitScenes
from .folder import ImageFolder
from .image_io import UnreadableImageError, decode_image, read_image
from .list_file import ImageList
from .samplers import EpochIndex, EpochSampler
from .transforms import Albumentations, Cutout, LoadImage, PackClsInputs, TorchVision

__all__ = [
    "Albumentations",
    "ClassificationDataset",
    "Cutout",
    "DigitScenes",
    "EpochIndex",
    "EpochSampler",
    "ImageCSV",
    "ImageFolder",
    "ImageList",
    "LoadImage",
    "PackClsInputs",
    "SampleInfo",
    "TorchVision",
    "UnreadableImageError",
    "collate",
    "decode_image",
    "read_image",
]
