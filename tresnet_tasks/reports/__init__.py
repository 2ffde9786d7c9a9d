"""Pictures of results: confusion matrix, drawn predictions, curves; and of what is known."""

from __future__ import annotations

from .confusion_matrix import draw_confusion_matrix
from .curves import draw_curves
from .detections import DrawnDetections, draw_detections
from .joint import DrawnJoint, draw_joint
from .predictions import DrawnPrediction, draw_contact_sheet, draw_prediction
from .truth import drawn_truth

__all__ = [
    "DrawnDetections",
    "DrawnJoint",
    "DrawnPrediction",
    "draw_confusion_matrix",
    "draw_contact_sheet",
    "draw_curves",
    "draw_detections",
    "draw_joint",
    "draw_prediction",
    "drawn_truth",
]
