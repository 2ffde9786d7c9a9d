"""Models that put backbone, neck and heads together."""

from .average_cls_score_tta import AverageClsScoreTTA
from .classifier import Classifier
from .distillation import Distillation
from .gradient_balance import GradientBalance
from .multitask import MultiTaskModel
from .uncertainty import UncertaintyWeights

__all__ = [
    "AverageClsScoreTTA",
    "Classifier",
    "Distillation",
    "GradientBalance",
    "MultiTaskModel",
    "UncertaintyWeights",
]
