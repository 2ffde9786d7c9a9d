"""Hooks of training: averaged weights, checkpoints, progress, unreadable images, seeds of steps."""

from __future__ import annotations

from .model_ema import ModelEMAHook
from .progress import ProgressHook
from .report import ReportHook
from .save_checkpoint import SaveCheckpointHook
from .step_seed import StepSeedHook
from .unreadable_images import UnreadableImagesHook

__all__ = [
    "ModelEMAHook",
    "ProgressHook",
    "ReportHook",
    "SaveCheckpointHook",
    "StepSeedHook",
    "UnreadableImagesHook",
]
