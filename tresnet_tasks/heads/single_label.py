"""From logits to the loss and the prediction of one label an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..registry import MODELS
from ..structures import ClsDataSample
from .step_loss import step_loss


class SingleLabel(nn.Module):
    """What a head does with its logits if exactly one class holds.

    Args:
        num_classes: C.
        loss: config of the loss, called with logits (N, C) and targets: (N,) ids or (N, C) soft;
            ``SoftCrossEntropy`` by default.
    """

    def __init__(self, num_classes: int, loss: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.loss_module = MODELS.build(dict(loss or {"type": "SoftCrossEntropy"}))
        self.batches_a_step = 1

    def loss(self, logits: Tensor, data_samples: Sequence[ClsDataSample]) -> dict[str, Tensor]:
        """Loss of a batch.

        Args:
            logits: (N, C).
            data_samples: N samples with ``gt_score``, or else ``gt_label`` of one class.

        Returns:
            ``{'loss': scalar}``, see ``step_loss``.

        Raises:
            ValueError: if a sample lacks a label, has several, or one that is not a class.
        """
        loss = self.loss_module(logits, self._targets(data_samples).to(logits.device))
        return {"loss": step_loss(self, loss)}

    def predict(
        self, logits: Tensor, data_samples: Sequence[ClsDataSample] | None = None
    ) -> list[ClsDataSample]:
        """Set ``pred_score`` (C,), which sums to 1, and ``pred_label`` (1,) of each sample.

        Args:
            logits: (N, C).
            data_samples: N samples, or None for new ones.
        """
        return self.decide(logits.float().softmax(1), data_samples)

    def decide(
        self, scores: Tensor, data_samples: Sequence[ClsDataSample] | None = None
    ) -> list[ClsDataSample]:
        """Set what ``predict`` sets, from scores.

        Args:
            scores: (N, C), each row of which sums to 1.
            data_samples: N samples, or None for new ones.
        """
        labels = scores.argmax(1)
        samples = [ClsDataSample() for _ in scores] if data_samples is None else list(data_samples)
        for sample, score, label in zip(samples, scores, labels, strict=True):
            sample.set_pred_score(score).set_pred_label(label)
        return samples

    def _targets(self, data_samples: Sequence[ClsDataSample]) -> Tensor:
        """(N, C) if the samples carry scores, else (N,) ids."""
        if all("gt_score" in sample for sample in data_samples):
            scores = torch.stack([sample.gt_score for sample in data_samples])
            if scores.shape[1] != self.num_classes:
                raise ValueError(
                    f"gt_score has {scores.shape[1]} classes but the head has {self.num_classes}. "
                    "Set the same num_classes for the head and for the data preprocessor."
                )
            return scores
        unlabelled = sum("gt_label" not in sample for sample in data_samples)
        if unlabelled:
            raise ValueError(
                f"{unlabelled} of {len(data_samples)} samples have neither gt_score nor gt_label; "
                "the loss needs a label for each image. Use mode='predict' for unlabelled images."
            )
        labels = [sample.gt_label for sample in data_samples]
        if any(len(label) != 1 for label in labels):
            raise ValueError(
                f"images have {sorted(set(map(len, labels)))} labels; a single-label head expects "
                "exactly one. Use a multi-label head, or data with one label an image."
            )
        ids = torch.cat(labels)
        if len(ids) and (ids.min() < 0 or ids.max() >= self.num_classes):
            raise ValueError(
                f"labels run from {ids.min()} to {ids.max()} but the head has {self.num_classes} "
                f"classes (0 to {self.num_classes - 1}). Set num_classes, or leave it out and it "
                "is taken from the data set."
            )
        return ids
