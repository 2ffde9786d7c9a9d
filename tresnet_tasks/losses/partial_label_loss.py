"""What to make of unknown labels while training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..registry import MODELS

MODES = ("ignore", "negative", "selective")


@MODELS.register_module()
class PartialLabelLoss(nn.Module):
    """A multi-label loss for labels that are known for some classes only (arXiv 2110.10955).

    Args:
        mode: what an unknown label (-1) counts as. 'ignore': nothing. 'negative': a negative.
            'selective': a negative, except where it may well be a positive: classes whose prior is
            above ``prior_threshold``, and the ``likelihood_topk`` * N unknown labels of the batch
            that the model scores highest; these count nothing.
        loss: config of the loss of known labels, ``AsymmetricLoss`` by default; called with logits
            and targets (N, C) in which -1 is left out. With reduction 'sum', or 'none'.
        unknown_loss: config of the loss of unknown labels that count as negatives, likewise; None
            treats them as known ones. The paper focuses them more (``gamma_neg``).
        prior: (C,) estimates in [0, 1] of how often a class occurs, used by 'selective'. Published
            way: train with 'ignore', then take the mean of the predicted scores over the training
            images. None uses the scores of the batch alone.
        prior_threshold: prior from which a class's unknown labels are ignored.
        likelihood_topk: unknown labels ignored for each image of the batch, counted over the batch.

    Raises:
        ValueError: for another mode, or a prior outside [0, 1].
    """

    prior: Tensor | None

    def __init__(
        self,
        mode: str,
        loss: Mapping[str, Any] | None = None,
        unknown_loss: Mapping[str, Any] | None = None,
        prior: Sequence[float] | None = None,
        prior_threshold: float = 0.5,
        likelihood_topk: int = 5,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ValueError(f"mode={mode!r}; expected one of {', '.join(MODES)}.")
        if likelihood_topk < 0:
            raise ValueError(f"likelihood_topk={likelihood_topk}; expected at least 0.")
        values = None if prior is None else torch.tensor(prior, dtype=torch.float32)
        if values is not None and not bool(((values >= 0) & (values <= 1)).all()):
            raise ValueError("prior has entries outside [0, 1]; give the share of images a class.")
        self.mode = mode
        self.prior_threshold = prior_threshold
        self.likelihood_topk = likelihood_topk
        self.register_buffer("prior", values, persistent=False)
        self.known = MODELS.build(dict(loss or {"type": "AsymmetricLoss"}))
        self.unknown = None if unknown_loss is None else MODELS.build(dict(unknown_loss))
        if self.reduction == "mean" and self.unknown is not None:
            raise ValueError(
                "loss has reduction='mean' and unknown_loss is given: two means cannot be added. "
                "Set reduction='sum' in both, or leave unknown_loss out."
            )

    @property
    def reduction(self) -> str | None:
        """That of the loss of known labels."""
        return getattr(self.known, "reduction", None)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            logits: (N, C).
            targets: (N, C), 1, 0 or soft where known, -1 where unknown.

        Returns:
            What ``loss`` returns.
        """
        if self.mode == "ignore":
            known: Tensor = self.known(logits, targets)
            return known
        unknown = targets == -1
        counted = unknown if self.mode == "negative" else self._likely_negative(logits, unknown)
        if self.unknown is None:
            known = self.known(logits, targets.masked_fill(counted, 0))
            return known
        negatives = torch.zeros_like(targets).masked_fill(~counted, -1)
        total: Tensor = self.known(logits, targets) + self.unknown(logits, negatives)
        return total

    def _likely_negative(self, logits: Tensor, unknown: Tensor) -> Tensor:
        """(N, C) bool: the unknown labels without those that may well be positives."""
        scores = logits.detach().float().masked_fill(~unknown, -torch.inf).flatten()
        ignored = scores.topk(min(self.likelihood_topk * len(logits), scores.numel())).indices
        counted = unknown.flatten().index_fill(0, ignored, False).view_as(unknown)
        if self.prior is None:
            return counted
        if self.prior.shape != logits.shape[1:]:
            raise ValueError(
                f"prior has {len(self.prior)} entries but the logits have {logits.shape[1]} "
                "classes. Give one estimate a class."
            )
        return counted & (self.prior <= self.prior_threshold)
