"""Average pooling and one linear layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from ..registry import MODELS
from ..structures import ClsDataSample
from .label_task import build_label_task


@MODELS.register_module()
class LinearHead(BaseModule):
    """Classify an image by the mean of its last feature map.

    Args:
        num_classes: number of classes C; in configs it may be left out and comes from the data set.
        in_channels: channels of the last feature map; in configs it may be left out and comes from
            the backbone.
        dropout: probability of zeroing a pooled feature while training.
        loss: config of the loss. 'single_label' calls it with logits (N, C) and targets: (N,) ids
            or (N, C) soft, ``SoftCrossEntropy`` by default; 'multi_label' with both (N, C), -1
            where a label is unknown, ``AsymmetricLoss`` by default.
        init_cfg: mmengine's initialisation.
        task: 'single_label' (scores by softmax, one prediction) or 'multi_label' (scores by
            sigmoid, any number of predictions).
        threshold: with 'multi_label', the classes of a score strictly above it are predicted; one
            number or (C,), None is 0.5.

    Raises:
        ValueError: for another task, or a threshold with 'single_label'.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        dropout: float = 0.0,
        loss: Mapping[str, Any] | None = None,
        init_cfg: Mapping[str, Any] | None = None,
        task: str = "single_label",
        threshold: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_channels, num_classes)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)
        self.task = build_label_task(task, num_classes, loss, threshold)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Logits (N, C) of feature maps, the last of which is (N, in_channels, h, w)."""
        logits: Tensor = self.fc(self.dropout(feats[-1].mean((2, 3))))
        return logits

    def loss(
        self, feats: Sequence[Tensor], data_samples: Sequence[ClsDataSample]
    ) -> dict[str, Tensor]:
        """Loss of a batch.

        Args:
            feats: feature maps of N images.
            data_samples: N samples with ``gt_score``, or else ``gt_label``.

        Returns:
            ``{'loss': scalar}``; with 'multi_label' see ``MultiLabel.loss``.
        """
        return self.task.loss(self(feats), data_samples)

    def predict(
        self, feats: Sequence[Tensor], data_samples: Sequence[ClsDataSample] | None = None
    ) -> list[ClsDataSample]:
        """Set ``pred_score`` (C,) and ``pred_label`` (1,), or (K,) with 'multi_label'.

        Args:
            feats: feature maps of N images.
            data_samples: N samples, or None for new ones.
        """
        return self.task.predict(self(feats), data_samples)
