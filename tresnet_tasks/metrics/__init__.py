"""Metrics: plain functions, and the mmengine metrics that wrap them."""

from __future__ import annotations

from .accuracy import Accuracy
from .average_precision import average_precision
from .classification_scores import (
    PerClassScores,
    confusion_matrix,
    per_class_scores,
    topk_accuracy,
)
from .known_labels import KnownLabels
from .multilabel import MultiLabelMetric
from .multilabel_scores import multilabel_scores
from .ranking import coverage, ranking_loss

__all__ = [
    "Accuracy",
    "KnownLabels",
    "MultiLabelMetric",
    "PerClassScores",
    "average_precision",
    "confusion_matrix",
    "coverage",
    "multilabel_scores",
    "per_class_scores",
    "ranking_loss",
    "topk_accuracy",
]
