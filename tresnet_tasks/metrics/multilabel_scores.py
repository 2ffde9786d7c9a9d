"""Precision, recall and F1 of multi-label decisions, by class and overall."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .average_precision import check_scores_and_targets


def multilabel_scores(
    scores: Tensor,
    targets: Tensor,
    threshold: float | Sequence[float] | Tensor = 0.5,
    topk: int | None = None,
) -> dict[str, float]:
    """The published scores of multi-label classification at a threshold, or of the k best classes.

    Args:
        scores: (N, C) float on any device.
        targets: (N, C) in {0, 1}; -1 marks an unknown label, which counts nowhere.
        threshold: a label is predicted if its score is strictly above it, compared in the precision
            of the scores; one number or (C,).
        topk: in place of the threshold, the k classes of highest score of each image are predicted,
            whether their labels are known or not; of tied scores the lower class index comes first.

    Returns:
        In [0, 1]: ``CP``, ``CR``, the means over the classes of precision and recall, and ``CF1``,
        the harmonic mean of these two; ``macro_F1``, the mean over the classes of their F1, which is
        another number (the reference code prints it as F_C); ``OP``, ``OR``, ``OF1`` of all
        decisions pooled. Precision of a class never predicted counts 0. A class without positives
        is left out of the means over the classes, which are NaN if there is no other.

    Raises:
        ValueError: if the shapes do not fit, a score is NaN, a target is none of the above or
            ``topk`` is below 1.
    """
    check_scores_and_targets(scores, targets)
    if topk is None:
        limits = class_thresholds(threshold, scores.shape[1]).to(scores)
        predicted = scores > limits
    else:
        predicted = topk_mask(scores, topk)
    positive = targets == 1
    return scores_of_counts(
        hits=(predicted & positive).sum(0),
        predicted=(predicted & (targets >= 0)).sum(0),
        support=positive.sum(0),
    )


def class_thresholds(threshold: float | Sequence[float] | Tensor, num_classes: int) -> Tensor:
    """One threshold for each class.

    Args:
        threshold: one number or (C,).
        num_classes: C.

    Returns:
        (C,) float64.

    Raises:
        ValueError: if there is another number of them, or one is NaN.
    """
    found = torch.as_tensor(threshold, dtype=torch.float64).detach().cpu()
    if found.ndim > 1 or (found.ndim == 1 and len(found) != num_classes):
        raise ValueError(
            f"got thresholds of shape {tuple(found.shape)} for {num_classes} classes; give one "
            "number, or one for each class, found on data of the same classes."
        )
    if found.isnan().any():
        raise ValueError("a threshold is NaN; give numbers, such as 0.5.")
    return found.expand(num_classes)


def topk_mask(scores: Tensor, topk: int) -> Tensor:
    """Which classes are among the k of highest score.

    Args:
        scores: (N, C) without NaN.
        topk: k, at least 1; above C it counts as C.

    Returns:
        (N, C) bool; of tied scores the lower class index comes first.

    Raises:
        ValueError: if ``topk`` is below 1.
    """
    if topk < 1:
        raise ValueError(f"topk is {topk}; it must be at least 1.")
    least = scores.topk(min(topk, scores.shape[1]), dim=1).values[:, -1:]
    above, tied = scores > least, scores == least
    places = topk - above.sum(1, keepdim=True)
    return above | (tied & (tied.cumsum(1) <= places))


def scores_of_counts(hits: Tensor, predicted: Tensor, support: Tensor) -> dict[str, float]:
    """See ``multilabel_scores``.

    Args:
        hits: (C,) right predictions of each class.
        predicted: (C,) all predictions.
        support: (C,) positives.
    """
    hits, predicted, support = (counts.cpu().double() for counts in (hits, predicted, support))
    scored = support > 0
    precision = (hits / predicted.clamp(min=1))[scored].mean().item()
    recall = (hits / support)[scored].mean().item()
    overall_precision = (hits.sum() / predicted.sum().clamp(min=1)).item()
    overall_recall = (hits.sum() / support.sum().clamp(min=1)).item()
    return {
        "CP": precision,
        "CR": recall,
        "CF1": _harmonic_mean(precision, recall),
        "OP": overall_precision,
        "OR": overall_recall,
        "OF1": _harmonic_mean(overall_precision, overall_recall),
        "macro_F1": class_f1(hits, predicted, support)[scored].mean().item(),
    }


def class_f1(hits: Tensor, predicted: Tensor, support: Tensor) -> Tensor:
    """(C,) float64 F1 of each class, 0 where nothing was predicted or nothing is there."""
    return 2 * hits.double() / (predicted + support).clamp(min=1)


def _harmonic_mean(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b != 0 else 0.0
