"""Loss functions."""

from .asymmetric_dense_loss import AsymmetricDenseLoss
from .asymmetric_loss import AsymmetricLoss
from .asymmetric_single_label_loss import AsymmetricSingleLabelLoss
from .divergence import Divergence
from .partial_label_loss import PartialLabelLoss
from .soft_cross_entropy import SoftCrossEntropy
from .two_way_loss import TwoWayLoss

__all__ = [
    "AsymmetricDenseLoss",
    "AsymmetricLoss",
    "AsymmetricSingleLabelLoss",
    "Divergence",
    "PartialLabelLoss",
    "SoftCrossEntropy",
    "TwoWayLoss",
]
