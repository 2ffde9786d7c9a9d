"""Hooks of training: averaged weights, checkpoints, progress, reports, first weights, warnings of data, seeds."""

from __future__ import annotations

from .load_weights import LoadWeightsHook
from .model_ema import ModelEMAHook
from .progress import ProgressHook
from .report import ReportHook
from .save_checkpoint import SaveCheckpointHook
from .small_batch import SmallBatchHook
from .step_seed import StepSeedHook
from .unreadable_images import UnreadableImagesHook

__all__ = [
    "LoadWeightsHook",
    "ModelEMAHook",
    "ProgressHook",
    "ReportHook",
    "SaveCheckpointHook",
    "SmallBatchHook",
    "StepSeedHook",
    "UnreadableImagesHook",
]
