"""Heads: from feature maps to losses and predictions."""

from .linear_head import LinearHead

__all__ = ["LinearHead"]
