"""Two-way multi-label loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..registry import MODELS


@MODELS.register_module()
class TwoWayLoss(nn.Module):
    """Contrast positives with negatives within each image and within each class (CVPR 2023).

    T. Kobayashi, "Two-Way Multi-Label Loss". With the positives P and negatives N of one image (or
    of one class in the batch), the loss is ``softplus(T_n * logsumexp_N(x / T_n) + T_p *
    logsumexp_P(-x / T_p))``, averaged over the images (classes) that have a positive and a negative;
    the two averages are added. In float32 whatever the autocast.

    The formula and the default temperatures have not been compared with the published code.

    Args:
        temperature_pos: T_p, above 0.
        temperature_neg: T_n, above 0.
        loss_weight: factor of the result.

    Raises:
        ValueError: if a temperature is not above 0.
    """

    def __init__(
        self,
        temperature_pos: float = 4.0,
        temperature_neg: float = 1.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if temperature_pos <= 0 or temperature_neg <= 0:
            raise ValueError(
                f"temperature_pos={temperature_pos} and temperature_neg={temperature_neg}; both "
                "must be above 0."
            )
        self.temperature_pos = temperature_pos
        self.temperature_neg = temperature_neg
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            logits: (N, C).
            targets: (N, C): above 0 for a positive, 0 for a negative, -1 for an unknown label,
                which is left out.

        Returns:
            Scalar; 0 where nothing can be contrasted.

        Raises:
            ValueError: if the shapes differ.
        """
        if logits.ndim != 2 or logits.shape != targets.shape:
            raise ValueError(
                f"got logits of shape {tuple(logits.shape)} and targets of shape "
                f"{tuple(targets.shape)}; expected (N, C) for both."
            )
        if logits.dtype != torch.float64:
            logits = logits.float()
        total = sum((self._one_way(logits, targets, dim) for dim in (0, 1)), logits.new_zeros(()))
        return self.loss_weight * total

    def _one_way(self, x: Tensor, targets: Tensor, dim: int) -> Tensor:
        positive, negative = targets > 0, targets == 0
        # The lowest number instead of -inf, which would make NaN gradients of rows without any.
        low = torch.finfo(x.dtype).min
        t_p, t_n = self.temperature_pos, self.temperature_neg
        hard_pos = (-x / t_p).masked_fill(~positive, low).logsumexp(dim) * t_p
        hard_neg = (x / t_n).masked_fill(~negative, low).logsumexp(dim) * t_n
        both = positive.any(dim) & negative.any(dim)
        margin = torch.where(both, hard_pos + hard_neg, 0)
        return F.softplus(margin).mul(both).sum() / both.sum().clamp(min=1)
