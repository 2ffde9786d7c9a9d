"""Predicting from a trained checkpoint."""

from __future__ import annotations

from .image_sources import list_images
from .prediction import Prediction
from .predictor import Predictor

__all__ = ["Prediction", "Predictor", "list_images"]
