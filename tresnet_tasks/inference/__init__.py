"""Predicting from a trained checkpoint."""

from __future__ import annotations

from .detections import Detections
from .image_sources import list_images
from .joint import JointPrediction
from .prediction import Prediction
from .predictor import Predictor
from .tags import TagPrediction

__all__ = [
    "Detections",
    "JointPrediction",
    "Prediction",
    "Predictor",
    "TagPrediction",
    "list_images",
]
