"""Metrics: plain functions, and the mmengine metrics that wrap them."""

from __future__ import annotations

from .accuracy import Accuracy
from .classification_scores import (
    PerClassScores,
    confusion_matrix,
    per_class_scores,
    topk_accuracy,
)

__all__ = ["Accuracy", "PerClassScores", "confusion_matrix", "per_class_scores", "topk_accuracy"]
