"""Cross entropy for class ids and for soft targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..registry import MODELS


@MODELS.register_module()
class SoftCrossEntropy(nn.Module):
    """Softmax cross entropy, averaged over the images, in float32 whatever the autocast.

    Args:
        label_smoothing: share in [0, 1) of each target that is spread evenly over all classes
            (arXiv 1512.00567); applied to soft targets too.
        class_weight: (C,) weights of the classes. With class ids the mean is weighted, as in
            ``torch``.
        loss_weight: factor of the result.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        label_smoothing: float = 0.0,
        class_weight: Sequence[float] | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing={label_smoothing}; expected a share in [0, 1).")
        self.label_smoothing = label_smoothing
        self.loss_weight = loss_weight
        weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float32)
        # Part of the recipe, not of what was learnt: kept out of the state dict.
        self.register_buffer("class_weight", weight, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            logits: (N, C).
            targets: (N,) int64 class ids, or (N, C) probabilities.

        Returns:
            Scalar float32.
        """
        loss = F.cross_entropy(
            logits.float(), targets, self.class_weight, label_smoothing=self.label_smoothing
        )
        return self.loss_weight * loss
