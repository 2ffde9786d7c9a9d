"""Heads: from feature maps to losses and predictions."""

from .linear_head import LinearHead
from .ml_decoder_head import MLDecoderHead
from .multi_label import MultiLabel
from .single_label import SingleLabel

__all__ = ["LinearHead", "MLDecoderHead", "MultiLabel", "SingleLabel"]
