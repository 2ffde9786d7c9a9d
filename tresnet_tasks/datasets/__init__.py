"""Readers, samplers and transforms: from files and annotations to uint8 batches."""

from __future__ import annotations

from .base import ClassificationDataset, SampleInfo
from .cifar import CIFAR10, CIFAR100
from .coco_detection import CocoDetection
from .coco_tags import CocoTags
from .collate import collate
from .concat_images import ConcatImages
from .csv_file import ImageCSV
from .csv_tags import CSVTags
from .detection import DetectionDataset, DetectionInfo
from .digit_scenes import DigitScenes
from .flowers102 import Flowers102
from .folder import ImageFolder
from .image_dataset import ImageDataset
from .image_io import UnreadableImageError, decode_image, read_image
from .image_shards import ImageShards
from .instances import Instance
from .joint import JointDataset
from .json_tags import JsonTags
from .list_file import ImageList
from .list_tags import ListTags
from .mixed_images import MixedImages
from .multitask import MultiTaskDataset
from .repeat_factor_sampler import RepeatFactorSampler
from .samplers import EpochIndex, EpochSampler
from .shard_sampler import ShardSampler
from .stanford_cars import StanfordCars
from .task_sampler import TaskSampler
from .transforms import (
    Albumentations,
    Cutout,
    LoadImage,
    PackClsInputs,
    PackDetSample,
    PackTasks,
    TorchVision,
)
from .unlabelled_folder import UnlabelledFolder
from .voc_detection import VocDetection
from .voc_tags import VOCTags
from .yolo_detection import YoloDetection

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "Albumentations",
    "CSVTags",
    "ClassificationDataset",
    "CocoDetection",
    "CocoTags",
    "ConcatImages",
    "Cutout",
    "DetectionDataset",
    "DetectionInfo",
    "DigitScenes",
    "EpochIndex",
    "EpochSampler",
    "Flowers102",
    "ImageCSV",
    "ImageDataset",
    "ImageFolder",
    "ImageList",
    "ImageShards",
    "Instance",
    "JointDataset",
    "JsonTags",
    "ListTags",
    "LoadImage",
    "MixedImages",
    "MultiTaskDataset",
    "PackClsInputs",
    "PackDetSample",
    "PackTasks",
    "RepeatFactorSampler",
    "SampleInfo",
    "ShardSampler",
    "StanfordCars",
    "TaskSampler",
    "TorchVision",
    "UnlabelledFolder",
    "UnreadableImageError",
    "VOCTags",
    "VocDetection",
    "YoloDetection",
    "collate",
    "decode_image",
    "read_image",
]
