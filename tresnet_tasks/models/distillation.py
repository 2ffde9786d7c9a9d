"""What a classifier learns from a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ..structures import ClsDataSample


class Distillation:
    """Losses of a classifier that learns from the answers of another network.

    Set as ``Classifier.distillation``; in a training run ``DistillationHook`` does so. It is no
    ``nn.Module``: the teacher is no part of the model, hence not of its parameters, its mode,
    its average or its checkpoints.

    Args:
        teacher: gives logits (N, C), without gradient, for (N, 3, H, W) images in [0, 1]: the very
            ones that the student gets, augmented and mixed.
        loss: called with the student's logits and the teacher's, both (N, C).
        label_weight: factor, at least 0, of the head's own loss, which is that over the images with
            labels; 0 leaves labels unused.
    """

    def __init__(
        self,
        teacher: Callable[[Tensor], Tensor],
        loss: Callable[[Tensor, Tensor], Tensor],
        label_weight: float = 0.0,
    ) -> None:
        self.teacher = teacher
        self.loss = loss
        self.label_weight = label_weight

    def losses(
        self,
        head: Any,
        inputs: Tensor,
        feats: Sequence[Tensor],
        data_samples: Sequence[ClsDataSample],
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            head: ``LinearHead`` or ``MLDecoderHead`` of the student.
            inputs: (N, 3, H, W), what the student got.
            feats: its feature maps.
            data_samples: N samples; one without ``gt_label`` and ``gt_score`` is unlabelled.

        Returns:
            ``teacher_loss`` of all images; with a ``label_weight`` also ``label_loss`` of those that
            have labels, 0 if none has, and what else the head tells of its loss.
        """
        logits = head(feats)
        losses = {"teacher_loss": self.loss(logits, self.teacher(inputs))}
        if not self.label_weight:
            return losses
        losses["label_loss"] = losses["teacher_loss"].new_zeros(())
        labelled = [i for i, sample in enumerate(data_samples) if is_labelled(sample)]
        if labelled:
            samples = [data_samples[i] for i in labelled]
            part = logits if len(samples) == len(data_samples) else logits[labelled]
            for name, value in head.task.loss(part, samples).items():
                if "loss" in name:  # of what a head returns, mmengine adds these up
                    losses["label_loss"] = losses["label_loss"] + self.label_weight * value
                else:
                    losses[name] = value
        return losses


def is_labelled(sample: ClsDataSample) -> bool:
    """Whether anything is known of an image."""
    return "gt_label" in sample or "gt_score" in sample
