"""Heads: from feature maps to losses and predictions."""

from .detector_head import DetectorHead
from .given_features import GivenFeatures
from .linear_head import LinearHead
from .ml_decoder_head import MLDecoderHead
from .multi_label import MultiLabel
from .single_label import SingleLabel

__all__ = [
    "DetectorHead",
    "GivenFeatures",
    "LinearHead",
    "MLDecoderHead",
    "MultiLabel",
    "SingleLabel",
]
