"""Heads: from feature maps to losses and predictions."""

from .csra_head import CSRAHead
from .detector_head import DetectorHead
from .evaluated_loss import check_box_scale, evaluated_loss
from .given_features import GivenFeatures
from .linear_head import LinearHead
from .ml_decoder_head import MLDecoderHead
from .multi_label import MultiLabel
from .single_label import SingleLabel

__all__ = [
    "CSRAHead",
    "DetectorHead",
    "GivenFeatures",
    "LinearHead",
    "MLDecoderHead",
    "MultiLabel",
    "SingleLabel",
    "check_box_scale",
    "evaluated_loss",
]
