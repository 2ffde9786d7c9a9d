"""Any staged torchvision classifier as a backbone: the peer to compare a TResNet with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor
from torchvision.models import get_model
from torchvision.models.feature_extraction import create_feature_extractor

from ..registry import MODELS
from .tresnet import FeatureSpec


@MODELS.register_module()
class TorchvisionBackbone(BaseModule):
    """Stages ``layer1`` to ``layer4`` of a torchvision ResNet-like model, at strides 4 to 32.

    Args:
        name: a name that ``torchvision.models.get_model`` knows, such as ``resnet50``.
        out_indices: stages whose output is returned, 0 to 3.
        init_cfg: mmengine's initialisation.
    """

    def __init__(
        self,
        name: str = "resnet50",
        out_indices: Sequence[int] = (3,),
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.stages = [f"layer{index + 1}" for index in out_indices]
        self.net = create_feature_extractor(get_model(name, weights=None), self.stages)

    @staticmethod
    def feature_spec(name: str = "resnet50", out_indices: Sequence[int] = (3,)) -> FeatureSpec:
        """Channels and strides of the outputs, found on a model without storage."""
        with torch.device("meta"):
            net = TorchvisionBackbone(name, out_indices).eval()
            channels = tuple(feat.shape[1] for feat in net(torch.empty(1, 3, 64, 64)))
        return FeatureSpec(channels, tuple(4 * 2**index for index in out_indices))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of (N, 3, H, W), one for each of ``out_indices``."""
        feats = self.net(x)
        return tuple(feats[stage] for stage in self.stages)
