"""How far a student's answers are from its teacher's."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..registry import MODELS

_KINDS = ("js", "kl")


@MODELS.register_module()
class Divergence(nn.Module):
    r"""Jensen-Shannon or Kullback-Leibler divergence of two models' predictions.

    With logits s of the student and t of the teacher, T the temperature, and the distributions
    q = softmax(s / T), p = softmax(t / T), m = (p + q) / 2, the loss of an image is T^2 times

    * ``'js'``: ``1/2 sum p log(p / m) + 1/2 sum q log(q / m)``, at most log 2; what SSLD (arXiv
      2103.05959) trains students with;
    * ``'kl'``: ``sum p log(p / q)`` (arXiv 1503.02531): the soft cross entropy without the
      teacher's own entropy, which is a constant.

    With several labels an image each class has a distribution of its own, (sigmoid(x / T),
    1 - sigmoid(x / T)), and the loss of an image is the sum over its classes. The factor T^2 keeps
    the gradient as large as it is without temperature. The loss of a batch is the mean over its
    images, in float32 whatever the autocast.

    Args:
        kind: 'js' or 'kl'.
        temperature: T, above 0; a higher one lets the unlikely classes count more.
        multi_label: whether an image has several labels.
        loss_weight: factor of the result.

    Raises:
        ValueError: for another kind, or a temperature not above 0.
    """

    def __init__(
        self,
        kind: str = "js",
        temperature: float = 1.0,
        multi_label: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if kind not in _KINDS:
            raise ValueError(f"kind={kind!r} of a divergence; expected 'js' or 'kl'.")
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature={temperature}; expected a number above 0, such as 1.")
        self.kind = kind
        self.temperature = temperature
        self.multi_label = multi_label
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            logits: (N, C) of the student, of any precision.
            teacher_logits: (N, C); no gradient reaches them.

        Returns:
            Scalar; float32 (float64 for float64 logits).

        Raises:
            ValueError: if the shapes differ.
        """
        if logits.ndim != 2 or logits.shape != teacher_logits.shape:
            raise ValueError(
                f"got logits of shape {tuple(logits.shape)} and a teacher's of shape "
                f"{tuple(teacher_logits.shape)}; expected (N, C) for both. Use a teacher of the "
                "same classes."
            )
        log_q = self._log_probabilities(logits)
        log_p = self._log_probabilities(teacher_logits.detach()).to(log_q.dtype)
        if self.kind == "kl":
            terms = log_p.exp() * (log_p - log_q)
        else:
            log_m = torch.logaddexp(log_p, log_q) - math.log(2)
            terms = log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)
            terms = terms / 2
        factor = self.loss_weight * self.temperature**2 / max(len(logits), 1)
        return factor * terms.sum()

    def _log_probabilities(self, logits: Tensor) -> Tensor:
        """(N, C), or (N, C, 2) of the classes that hold or not."""
        if logits.dtype != torch.float64:
            logits = logits.float()
        logits = logits / self.temperature
        if self.multi_label:
            return F.logsigmoid(torch.stack((logits, -logits), dim=-1))
        return logits.log_softmax(1)

    def extra_repr(self) -> str:
        """The settings, for ``print``."""
        return f"{self.kind}, temperature={self.temperature}, multi_label={self.multi_label}"
