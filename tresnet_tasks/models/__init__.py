"""Models that put backbone, neck and heads together."""

from .classifier import Classifier

__all__ = ["Classifier"]
