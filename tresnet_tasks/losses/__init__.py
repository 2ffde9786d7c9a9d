"""Loss functions."""

from .soft_cross_entropy import SoftCrossEntropy

__all__ = ["SoftCrossEntropy"]
