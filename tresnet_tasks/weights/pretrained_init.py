"""``init_cfg=dict(type='Pretrained', checkpoint=...)`` for our models."""

from __future__ import annotations

import logging

from mmengine.logging import print_log
from mmengine.model.weight_init import PretrainedInit, update_init_info
from torch import nn

from ..backbones import TResNet
from ..registry import WEIGHT_INITIALIZERS
from .load import load_weights


@WEIGHT_INITIALIZERS.register_module(name="Pretrained")
class PretrainedWeights(PretrainedInit):
    """Initialise a module from a checkpoint; a TResNet, or a model with one, from any published one.

    Under our default scope this stands in for mmengine's initializer of the same name, which knows neither the
    published formats nor the hub names. Other modules go to mmengine's, as before.

    Args:
        checkpoint: a path or a hub name, see ``load_weights``.
        prefix: only for other modules, see mmengine.
        map_location: only for other modules, see mmengine.
    """

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into ``module``."""
        if not isinstance(module, TResNet) and not isinstance(
            getattr(module, "backbone", None), TResNet
        ):
            super().__call__(module)
            return
        report = load_weights(module, self.checkpoint)
        print_log(str(report), logger="current", level=logging.INFO)
        if hasattr(module, "_params_init_info"):
            update_init_info(module, init_info=self._get_init_info())
