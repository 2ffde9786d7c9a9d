"""Small modules that the backbone is made of."""

from .abn import ABN, keep_statistics
from .blur_pool import BlurPool
from .conv_abn import ConvABN
from .space_to_depth import SpaceToDepth
from .squeeze_excite import SqueezeExcite

__all__ = ["ABN", "BlurPool", "ConvABN", "SpaceToDepth", "SqueezeExcite", "keep_statistics"]
