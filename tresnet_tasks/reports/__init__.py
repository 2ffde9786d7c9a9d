"""Pictures of results: confusion matrix, drawn predictions, curves."""

from __future__ import annotations

from .confusion_matrix import draw_confusion_matrix
from .curves import draw_curves
from .predictions import DrawnPrediction, draw_contact_sheet, draw_prediction

__all__ = [
    "DrawnPrediction",
    "draw_confusion_matrix",
    "draw_contact_sheet",
    "draw_curves",
    "draw_prediction",
]
