"""CSRA: class-specific residual attention."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from ..registry import MODELS
from ..structures import ClsDataSample
from .label_task import build_label_task


@MODELS.register_module()
class CSRAHead(BaseModule):
    """Classify by the mean of the class scores over a map and by where they are highest.

    From "Residual Attention: A Simple but Effective Method for Multi-Label Recognition" (ICCV
    2021). A linear classifier with rows of unit length gives scores s of each class at each place;
    its logit is ``mean(s) + residual * sum(softmax(temperature * s) * s)``, both over the places.
    Small things, which a mean hides, are heard by the second term. Several temperatures are several
    classifiers, whose logits are added; the published ones are (1,), (1, inf), (1, 2, 4, inf),
    (1, 2, 3, 4, 5, inf) and (1, 2, 3, 4, 5, 6, 7, inf).

    Args:
        num_classes: number of classes C; in configs it may be left out and comes from the data set.
        in_channels: channels of the last feature map; in configs it may be left out and comes from
            the backbone.
        temperatures: one for each classifier, above 0; ``inf`` takes the highest score.
        residual: weight of the second term, at least 0.
        all_maps: look at the places of all maps that the head is given, such as a pyramid's, which
            then have ``in_channels`` each; otherwise at those of the last.
        dropout: probability of zeroing a feature while training.
        loss: config of the loss, see ``LinearHead``.
        init_cfg: mmengine's initialisation.
        task: 'multi_label' or 'single_label', see ``LinearHead``.
        threshold: see ``LinearHead``.

    Raises:
        ValueError: if a temperature is not above 0, there is none, ``residual`` is negative, the
            task another, or a threshold is given with 'single_label'.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        temperatures: Sequence[float] = (1.0,),
        residual: float = 0.1,
        all_maps: bool = False,
        dropout: float = 0.0,
        loss: Mapping[str, Any] | None = None,
        init_cfg: Mapping[str, Any] | None = None,
        task: str = "multi_label",
        threshold: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not temperatures or not all(temperature > 0 for temperature in temperatures):
            raise ValueError(
                f"temperatures={temperatures}; expected numbers above 0, such as (1.0, inf)."
            )
        if not residual >= 0:
            raise ValueError(f"residual={residual}; expected a number of at least 0, such as 0.1.")
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.temperatures = tuple(temperatures)
        self.residual = residual
        self.all_maps = all_maps
        self.dropout = nn.Dropout(dropout)
        self.weight = nn.Parameter(torch.empty(len(self.temperatures), num_classes, in_channels))
        nn.init.normal_(self.weight)  # the direction alone counts
        self.task = build_label_task(task, num_classes, loss, threshold)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Logits (N, C) of feature maps, the last of which, or all, are (N, in_channels, h, w)."""
        weight = F.normalize(self.weight, dim=-1).flatten(0, 1)[..., None, None]
        maps = [
            F.conv2d(self.dropout(feat), weight.to(feat.dtype)).flatten(2)
            for feat in (feats if self.all_maps else feats[-1:])
        ]
        places = torch.cat(maps, 2)
        scores = places.view(len(places), -1, self.num_classes, places.shape[-1])
        attended = [
            score.amax(-1)
            if math.isinf(temperature)
            else (score * (temperature * score).softmax(-1)).sum(-1)
            for temperature, score in zip(self.temperatures, scores.unbind(1), strict=True)
        ]
        logits: Tensor = scores.mean(-1).sum(1) + self.residual * torch.stack(attended).sum(0)
        return logits

    def loss(
        self, feats: Sequence[Tensor], data_samples: Sequence[ClsDataSample]
    ) -> dict[str, Tensor]:
        """Loss of a batch, see ``LinearHead.loss``."""
        return self.task.loss(self(feats), data_samples)

    def predict(
        self, feats: Sequence[Tensor], data_samples: Sequence[ClsDataSample] | None = None
    ) -> list[ClsDataSample]:
        """Set ``pred_score`` (C,) and ``pred_label`` (K,), or (1,) with 'single_label'."""
        return self.task.predict(self(feats), data_samples)
