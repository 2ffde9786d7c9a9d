"""Small modules that the backbone is made of."""

from .abn import ABN, keep_statistics
from .blur_pool import BlurPool
from .conv_abn import ConvABN
from .folding import fold_abn, fold_state_dict, is_folded
from .global_moments import global_moments, sum_over_processes
from .packed_conv import PackedConv
from .space_to_depth import SpaceToDepth
from .squeeze_excite import SqueezeExcite
from .sync_abn import SyncABN

__all__ = [
    "ABN",
    "BlurPool",
    "ConvABN",
    "PackedConv",
    "SpaceToDepth",
    "SqueezeExcite",
    "SyncABN",
    "fold_abn",
    "fold_state_dict",
    "global_moments",
    "is_folded",
    "keep_statistics",
    "sum_over_processes",
]
