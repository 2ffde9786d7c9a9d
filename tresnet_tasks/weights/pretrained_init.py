"""``init_cfg=dict(type='Pretrained', checkpoint=...)`` for our models."""

from __future__ import annotations

import logging
from pathlib import Path

from mmengine.model.weight_init import PretrainedInit, update_init_info
from torch import nn

from ..backbones import TResNet
from ..registry import WEIGHT_INITIALIZERS
from ..upstream.console import tell
from .files import read_own_weights
from .load import load_weights


@WEIGHT_INITIALIZERS.register_module(name="Pretrained")
class PretrainedWeights(PretrainedInit):
    """Initialise a module from a checkpoint; a TResNet, or a model with one, from any published one.

    Under our default scope this stands in for mmengine's initializer of the same name, which knows neither the
    published formats nor the hub names. For other modules it does what mmengine's does, and reads files on this
    machine as data alone.

    Args:
        checkpoint: a path or a hub name, see ``load_weights``.
        prefix: only for other modules: what the names of their weights begin with in the file.
        map_location: only for other modules and what is downloaded for them, see mmengine.

    Raises:
        FileNotFoundError: if there are no such weights.
        ValueError: if the file is refused or damaged, or has no weights for the module.
    """

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into ``module``."""
        if isinstance(module, TResNet) or isinstance(getattr(module, "backbone", None), TResNet):
            report = load_weights(module, self.checkpoint)
            tell(str(report), level=logging.INFO)
        elif "://" in str(self.checkpoint):  # torchvision://resnet50, https://...
            super().__call__(module)
            return
        else:
            self._load_file(module)
        if hasattr(module, "_params_init_info"):
            update_init_info(module, init_info=self._get_init_info())

    def _load_file(self, module: nn.Module) -> None:
        tensors = read_own_weights(Path(self.checkpoint)).converted.state_dict
        prefix = f"{self.prefix.rstrip('.')}." if self.prefix else ""
        own = module.state_dict()
        found = {
            name.removeprefix(prefix): value
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
        fitting = {n: v for n, v in found.items() if n in own and v.shape == own[n].shape}
        if not fitting:
            raise ValueError(
                f"weights {self.checkpoint} have nothing for a {type(module).__name__}: they hold "
                f"{', '.join(list(tensors)[:3]) or 'nothing'}, ... and it wants {', '.join(list(own)[:3])}, ... "
                "Set prefix='...' to what comes before those names in the file."
            )
        module.load_state_dict(fitting, strict=False)
        tell(
            f"{self.checkpoint}: {len(fitting)} of {len(own)} tensors of a {type(module).__name__} loaded, "
            f"{len(found) - len(fitting)} in the file not used",
            level=logging.INFO if len(fitting) == len(own) else logging.WARNING,
        )
