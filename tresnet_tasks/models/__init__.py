"""Models that put backbone, neck and heads together."""

from .classifier import Classifier
from .distillation import Distillation
from .gradient_balance import GradientBalance
from .multitask import MultiTaskModel
from .uncertainty import UncertaintyWeights

__all__ = ["Classifier", "Distillation", "GradientBalance", "MultiTaskModel", "UncertaintyWeights"]
