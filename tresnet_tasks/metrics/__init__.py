"""Metrics: plain functions, and the mmengine metrics that wrap them."""

from __future__ import annotations

from .accuracy import Accuracy
from .average_precision import average_precision
from .calibration import fit_temperature, reliability, reliability_table
from .classification_scores import (
    PerClassScores,
    confusion_matrix,
    per_class_scores,
    topk_accuracy,
)
from .coco import DetectionMetric
from .coco_results import coco_results, encode_masks
from .coco_scores import CocoScores, coco_scores
from .finding import find_thresholds
from .known_labels import KnownLabels
from .multilabel import MultiLabelMetric
from .multilabel_scores import multilabel_scores
from .multitask import MultiTaskEvaluator
from .ranking import coverage, ranking_loss
from .stored_thresholds import (
    StoredThresholds,
    read_thresholds,
    thresholds_from_data,
    thresholds_of_head,
)
from .thresholds import best_thresholds
from .validation_loss import ValidationLoss

__all__ = [
    "Accuracy",
    "CocoScores",
    "DetectionMetric",
    "KnownLabels",
    "MultiLabelMetric",
    "MultiTaskEvaluator",
    "PerClassScores",
    "StoredThresholds",
    "ValidationLoss",
    "average_precision",
    "best_thresholds",
    "coco_results",
    "coco_scores",
    "confusion_matrix",
    "coverage",
    "encode_masks",
    "find_thresholds",
    "fit_temperature",
    "multilabel_scores",
    "per_class_scores",
    "ranking_loss",
    "read_thresholds",
    "reliability",
    "reliability_table",
    "thresholds_from_data",
    "thresholds_of_head",
    "topk_accuracy",
]
