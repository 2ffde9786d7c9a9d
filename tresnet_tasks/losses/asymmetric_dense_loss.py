"""The asymmetric loss where mmdet's heads expect focal loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..registry import MODELS
from .asymmetric_loss import REDUCTIONS, AsymmetricLoss


@MODELS.register_module()
class AsymmetricDenseLoss(nn.Module):
    """``AsymmetricLoss`` as classification loss of dense heads (FCOS, ATSS, RetinaNet, DINO, ...).

    It takes what mmdet's ``FocalLoss`` takes. The detection experiment of arXiv 2009.14119 puts it
    in that place, without focal loss's alpha.

    Args:
        use_sigmoid: must be True, and written in the config: mmdet's heads read it there, and give
            the scores a column for the background without it.
        gamma_neg, gamma_pos, clip, eps, detach_weight: see ``AsymmetricLoss``.
        reduction: 'mean', which divides by ``avg_factor`` or else by the number of scores, 'sum' or
            'none'.
        loss_weight: factor of the result.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        use_sigmoid: bool = False,
        gamma_neg: float = 4.0,
        gamma_pos: float = 0.0,
        clip: float = 0.05,
        eps: float = 1e-8,
        detach_weight: bool = True,
        reduction: str = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not use_sigmoid:
            raise ValueError(
                "AsymmetricDenseLoss got use_sigmoid=False; it is a loss of one sigmoid a class. "
                "Write use_sigmoid=True into its config, where mmdet's heads look for it."
            )
        self.use_sigmoid = True
        self.reduction = _checked(reduction)
        self.loss_weight = loss_weight
        settings = (gamma_neg, gamma_pos, clip, eps, detach_weight)
        self.each = AsymmetricLoss(*settings, reduction="none")
        self.total = AsymmetricLoss(*settings, reduction="sum")

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Compute the loss.

        Args:
            pred: (N, C) logits of any precision.
            target: (N,) int64, the class of each box, C for background; or (N, C) in [0, 1].
            weight: (N,) or (N, C) factors.
            avg_factor: what 'mean' divides by, such as the number of positives.
            reduction_override: in place of ``reduction``.

        Returns:
            Scalar, or (N, C) for 'none'; float32 (float64 for float64 logits).

        Raises:
            ValueError: for an unknown reduction, or ``avg_factor`` with 'sum'.
        """
        reduction = _checked(reduction_override or self.reduction)
        if avg_factor is not None and reduction == "sum":
            raise ValueError(
                "AsymmetricDenseLoss got avg_factor with reduction='sum'; it belongs to 'mean'."
            )
        if target.dim() == 1:
            target = F.one_hot(target, pred.shape[1] + 1)[:, :-1]
        if weight is not None and weight.dim() == 1:
            weight = weight[:, None]
        if reduction == "none":
            each: Tensor = self.each(pred, target, weight)
            return self.loss_weight * each
        total: Tensor = self.loss_weight * self.total(pred, target, weight)
        if reduction == "mean":
            # mmdet's floor: an image without boxes may have an average of 0.
            least = torch.finfo(torch.float32).eps
            total = total / (max(pred.numel(), 1) if avg_factor is None else avg_factor + least)
        return total


def _checked(reduction: str) -> str:
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction={reduction!r}; expected one of {', '.join(REDUCTIONS)}.")
    return reduction
