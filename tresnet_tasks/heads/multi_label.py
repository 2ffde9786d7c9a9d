"""From logits to the loss and the prediction of any number of labels an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..registry import MODELS
from ..structures import ClsDataSample
from .step_loss import is_sum, step_loss


class MultiLabel(nn.Module):
    """What a head does with its logits if each class holds or not by itself.

    Attributes:
        thresholds: (C,) float32; a class is predicted if its score is strictly above its own.
        temperature: what logits are divided by before they become scores; 1 unless it is set.
        batches_a_step: see ``step_loss``.

    Args:
        num_classes: C.
        loss: config of the loss, called with logits and targets (N, C), -1 where a label is
            unknown; ``AsymmetricLoss`` by default.
        threshold: one number or (C,), see ``set_thresholds``.
    """

    thresholds: Tensor
    temperature: float

    def __init__(
        self,
        num_classes: int,
        loss: Mapping[str, Any] | None = None,
        threshold: float | Sequence[float] = 0.5,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.loss_module = MODELS.build(dict(loss or {"type": "AsymmetricLoss"}))
        self.batches_a_step = 1
        # Checkpoints carry thresholds as plain data, not among the weights.
        self.register_buffer("thresholds", torch.empty(num_classes), persistent=False)
        self.set_thresholds(threshold)

    def set_thresholds(
        self, threshold: float | Sequence[float] | Tensor, temperature: float = 1.0
    ) -> None:
        """Decide by other thresholds from now on.

        Args:
            threshold: one number for all classes, or (C,).
            temperature: that they were found with, above 0.

        Raises:
            ValueError: if there is another number of them, one is NaN, or the temperature is not
                above 0.
        """
        if not temperature > 0:
            raise ValueError(f"temperature={temperature}; expected a number above 0.")
        # Named, as the model may be under construction on the meta device.
        values = torch.as_tensor(threshold, dtype=torch.float32, device="cpu")
        if values.ndim > 1 or (values.ndim == 1 and len(values) != self.num_classes):
            raise ValueError(
                f"got thresholds of shape {tuple(values.shape)} for {self.num_classes} classes; "
                "give one number, or one for each class, found on data of the same classes."
            )
        if values.isnan().any():
            raise ValueError("a threshold is NaN; give numbers, such as 0.5.")
        self.thresholds.copy_(values)
        self.temperature = temperature

    def loss(self, logits: Tensor, data_samples: Sequence[ClsDataSample]) -> dict[str, Tensor]:
        """Loss of a batch.

        Args:
            logits: (N, C).
            data_samples: N samples with ``gt_score`` (C,), -1 where a label is unknown, or else
                ``gt_label`` (K,), the classes that hold, K = 0 included.

        Returns:
            ``loss``, a scalar, see ``step_loss``. If it is a sum, also ``per_positive``, its value for each positive
            label of the batch, by which batches of different sizes compare; mmengine logs it, and
            adds only what has "loss" in its name to the total.

        Raises:
            ValueError: if a sample lacks labels, or has some of other classes.
        """
        targets = self._targets(data_samples).to(logits.device)
        loss = self.loss_module(logits, targets)
        losses = {"loss": step_loss(self, loss)}
        if is_sum(self.loss_module):
            positives = targets.clamp(min=0).sum().clamp(min=1)
            losses["per_positive"] = loss.detach() / positives
        return losses

    def predict(
        self, logits: Tensor, data_samples: Sequence[ClsDataSample] | None = None
    ) -> list[ClsDataSample]:
        """Set ``pred_score`` (C,) and ``pred_label`` (K,), the highest score first, of each sample.

        Args:
            logits: (N, C).
            data_samples: N samples, or None for new ones.
        """
        return self.decide((logits.float() / self.temperature).sigmoid(), data_samples)

    def decide(
        self, scores: Tensor, data_samples: Sequence[ClsDataSample] | None = None
    ) -> list[ClsDataSample]:
        """Set what ``predict`` sets, from scores.

        Args:
            scores: (N, C) in [0, 1].
            data_samples: N samples, or None for new ones.
        """
        order = scores.argsort(dim=1, descending=True, stable=True)
        above = (scores > self.thresholds).gather(1, order)
        samples = [ClsDataSample() for _ in scores] if data_samples is None else list(data_samples)
        for sample, score, best, chosen in zip(samples, scores, order, above, strict=True):
            sample.set_pred_score(score).set_pred_label(best[chosen])
        return samples

    def _targets(self, data_samples: Sequence[ClsDataSample]) -> Tensor:
        return torch.stack([self._multi_hot(sample) for sample in data_samples])

    def _multi_hot(self, sample: ClsDataSample) -> Tensor:
        if "gt_score" in sample:
            score: Tensor = sample.gt_score
            if len(score) != self.num_classes:
                raise ValueError(
                    f"gt_score has {len(score)} classes but the head has {self.num_classes}. "
                    "Set num_classes, or leave it out and it is taken from the data set."
                )
            return score
        if "gt_label" not in sample:
            raise ValueError(
                "a sample has neither gt_score nor gt_label; the loss needs the labels of each "
                "image, if only an empty gt_label. Use mode='predict' for unlabelled images."
            )
        ids: Tensor = sample.gt_label
        if len(ids) and (ids.min() < 0 or ids.max() >= self.num_classes):
            raise ValueError(
                f"an image has the labels {ids.tolist()} but the head has {self.num_classes} "
                f"classes (0 to {self.num_classes - 1}). Set num_classes, or leave it out and it "
                "is taken from the data set."
            )
        return torch.zeros(self.num_classes, device=ids.device).index_fill(0, ids, 1)
