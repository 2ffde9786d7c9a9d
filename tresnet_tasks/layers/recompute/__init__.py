"""The memory path of the residual blocks: keep convolution outputs, recompute what lies between.

Between two convolutions a block only normalises, activates, blurs, gates and adds. All of that is
cheap to compute again from the output of the convolution before it, so that output alone is kept
for the backward pass. Nothing is approximated or inverted: the recomputed values are the same.

Each of the autograd functions here has one file: :mod:`abn_conv`, :mod:`abn_add`,
:mod:`bottleneck_end`, :mod:`pooled_conv`. What they are made of are descriptions with a ``forward``
and a ``backward`` over plain tensors: :mod:`normalisation`, :mod:`gate`, :mod:`activated`,
:mod:`addition`. The last two have a fused form each, :mod:`fused_activated` and
:mod:`fused_addition`, which is taken where there are kernels. They read the parameters of a block's
layers and never call them: :mod:`altered` says which blocks must do without.
"""

from .abn_add import abn_add
from .abn_conv import abn_conv
from .altered import has_altered_layers
from .bottleneck_end import bottleneck_end
from .convolution import pointwise_conv
from .pooled_conv import pooled_conv

__all__ = [
    "abn_add",
    "abn_conv",
    "bottleneck_end",
    "has_altered_layers",
    "pointwise_conv",
    "pooled_conv",
]
