"""Layers that the functions of this folder would not compute as they are."""

from __future__ import annotations

import warnings
from functools import cache

from torch import nn
from torchvision.ops import StochasticDepth

from ..abn import ABN
from ..blur_pool import BlurPool
from ..conv_abn import ConvABN
from ..squeeze_excite import SqueezeExcite
from ..sync_abn import SyncABN

_KNOWN = {
    *(nn.Conv2d, nn.AvgPool2d, nn.ReLU, nn.Identity, nn.Sequential, StochasticDepth),
    *(ABN, SyncABN, BlurPool, ConvABN, SqueezeExcite),
}
_HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
)


def has_altered_layers(block: nn.Module) -> bool:
    """Whether a block must call its layers, as their parameters do not say all; said once.

    The functions of this folder read the parameters of a block's layers and never call them. So they
    would pass over a hook (as pruning and weight norm use them), a layer that was put in place of another
    (as by parametrisations or SyncBatchNorm), and a convolution that was given a stride or a dilation.
    """
    for name, layer in block.named_modules():
        if not name:
            continue  # its own hooks run
        if type(layer) not in _KNOWN:
            return _say(f"{name} is a {type(layer).__name__}")
        state = layer.__dict__
        if any(state[hooks] for hooks in _HOOKS):
            return _say(f"{name} has a hook")
        if isinstance(layer, nn.Conv2d):
            size = layer.kernel_size[0] // 2
            geometry = (layer.stride, layer.padding, layer.dilation, layer.groups)
            if geometry != ((1, 1), (size, size), (1, 1), 1) or layer.padding_mode != "zeros":
                return _say(f"{name} was given another geometry")
            if (layer.bias is None) == ("se." in name):
                return _say(f"{name} {'lost' if layer.bias is None else 'was given'} a bias")
        elif isinstance(layer, ABN) and not layer.affine:
            return _say(f"{name} has no weights")
    return False


@cache
def _say(reason: str) -> bool:
    warnings.warn(
        f"abn='memory' cannot follow a block whose {reason}; such blocks keep all that abn='plain' "
        "keeps.",
        stacklevel=2,
    )
    return True
