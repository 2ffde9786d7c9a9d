"""Hooks of training: averaged weights, checkpoints, progress, reports, first weights, warnings of data, seeds."""

from __future__ import annotations

from .class_counts import ClassCountsHook
from .detector_loss import DetectorLossHook
from .distillation import DistillationHook
from .early_stop import EarlyStopHook
from .freeze_stages import FreezeStagesHook
from .load_weights import LoadWeightsHook
from .model_ema import ModelEMAHook
from .non_finite_loss import NonFiniteLossHook
from .progress import ProgressHook
from .report import ReportHook
from .same_buffers import SameBuffersHook
from .save_checkpoint import SaveCheckpointHook
from .small_batch import SmallBatchHook
from .split_check import SplitCheckHook
from .step_seed import StepSeedHook
from .stop_signals import StopSignalsHook
from .summed_loss import SummedLossHook
from .swa import SWAHook
from .task_gradients import TaskGradientsHook
from .thresholds import ThresholdHook
from .unreadable_images import UnreadableImagesHook

__all__ = [
    "ClassCountsHook",
    "DetectorLossHook",
    "DistillationHook",
    "EarlyStopHook",
    "FreezeStagesHook",
    "LoadWeightsHook",
    "ModelEMAHook",
    "NonFiniteLossHook",
    "ProgressHook",
    "ReportHook",
    "SWAHook",
    "SameBuffersHook",
    "SaveCheckpointHook",
    "SmallBatchHook",
    "SplitCheckHook",
    "StepSeedHook",
    "StopSignalsHook",
    "SummedLossHook",
    "TaskGradientsHook",
    "ThresholdHook",
    "UnreadableImagesHook",
]
