"""Asymmetric loss for one label an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..registry import MODELS


@MODELS.register_module()
class AsymmetricSingleLabelLoss(nn.Module):
    """Softmax cross entropy with asymmetric focusing (arXiv 2009.14119's code, ``ASLSingleLabel``).

    With p = softmax(logits) and the smoothed target t, the loss of an image is the sum over the
    classes of ``-t * w * log(p)``, where w is ``(1 - p)^gamma_pos`` for the right class and
    ``p^gamma_neg`` for the others. In float32 whatever the autocast.

    Args:
        gamma_pos: focusing of the right class, at least 0.
        gamma_neg: focusing of the others, at least 0.
        label_smoothing: share in [0, 1) of the target that is spread evenly over all classes;
            without it the other classes have no part in the loss.
        reduction: 'mean' or 'sum' over the images.
        loss_weight: factor of the result.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        gamma_pos: float = 0.0,
        gamma_neg: float = 4.0,
        label_smoothing: float = 0.1,
        reduction: str = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if gamma_neg < 0 or gamma_pos < 0:
            raise ValueError(
                f"gamma_neg={gamma_neg} and gamma_pos={gamma_pos}; both must be at least 0."
            )
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing={label_smoothing}; expected a share in [0, 1).")
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction={reduction!r}; expected 'mean' or 'sum'.")
        self.gamma_pos = gamma_pos
        self.gamma_neg = gamma_neg
        self.label_smoothing = label_smoothing
        self.reduction = reduction
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            logits: (N, C).
            targets: (N,) int64 class ids, or (N, C) probabilities, whose focusing is mixed in the
                same proportions.

        Returns:
            Scalar float32 (float64 for float64 logits).

        Raises:
            ValueError: if the shapes do not fit.
        """
        if logits.ndim != 2 or targets.shape not in (logits.shape, logits.shape[:1]):
            raise ValueError(
                f"got logits of shape {tuple(logits.shape)} and targets of shape "
                f"{tuple(targets.shape)}; expected (N, C) and (N,) class ids or (N, C) shares."
            )
        if logits.dtype != torch.float64:
            logits = logits.float()
        log_p = logits.log_softmax(1)
        if targets.ndim == 1:
            targets = F.one_hot(targets, logits.shape[1])
        targets = targets.to(log_p.dtype)
        # Kept off 0, where the slope of a power below 1 is infinite.
        tiny = torch.finfo(log_p.dtype).tiny
        right = (-log_p.expm1()).clamp(min=tiny) ** self.gamma_pos
        wrong = log_p.exp().clamp(min=tiny) ** self.gamma_neg
        focus = torch.lerp(wrong, right, targets)
        smoothed = targets * (1 - self.label_smoothing) + self.label_smoothing / logits.shape[1]
        loss = -(smoothed * focus * log_p).sum(1)
        return self.loss_weight * (loss.mean() if self.reduction == "mean" else loss.sum())
