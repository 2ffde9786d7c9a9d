"""Scores of single-label classification, as plain functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class PerClassScores(NamedTuple):
    """Support, precision, recall and F1 of each class, see ``per_class_scores``."""

    support: Tensor
    precision: Tensor
    recall: Tensor
    f1: Tensor


def target_ranks(scores: Tensor, targets: Tensor) -> Tensor:
    """How many classes come before the right one; 0 where the prediction is right.

    Args:
        scores: (N, C) float, higher means more likely; any monotone scale.
        targets: (N,) int in [0, C).

    Returns:
        (N,) int64 in [0, C). Of tied scores the lower class index comes first.

    Raises:
        ValueError: if the shapes do not fit, a score is NaN or a target is not a class.
    """
    if scores.ndim != 2 or targets.shape != scores.shape[:1]:
        raise ValueError(
            f"got scores of shape {tuple(scores.shape)} and targets of shape "
            f"{tuple(targets.shape)}; expected (N, C) and (N,)."
        )
    if scores.isnan().any():
        rows = scores.isnan().any(dim=1).nonzero().flatten().tolist()
        raise ValueError(
            f"the scores of {len(rows)} of {len(scores)} samples are NaN (first: row {rows[0]}). "
            "The model has diverged or its input is damaged: check the loss and the images."
        )
    num_classes = scores.shape[1]
    targets = _checked_ids("target", targets, num_classes).to(scores.device)
    own = scores.gather(1, targets[:, None])
    index = torch.arange(num_classes, device=scores.device)
    before = (scores > own) | ((scores == own) & (index < targets[:, None]))
    return before.sum(dim=1)


def topk_accuracy(
    scores: Tensor, targets: Tensor, topk: Sequence[int] = (1, 5)
) -> dict[int, float]:
    """Fraction of samples whose class is among the k highest scores.

    Args:
        scores: (N, C) float, higher means more likely; any monotone scale.
        targets: (N,) int in [0, C).
        topk: the values of k, each at least 1; a k above C counts as C.

    Returns:
        For each k a fraction in [0, 1]; NaN if N is 0. Of tied scores the lower class index comes
        first.

    Raises:
        ValueError: if the shapes do not fit, a score is NaN, a target is not a class or a k is
            below 1.
    """
    if min(topk) < 1:
        raise ValueError(f"topk is {tuple(topk)}; every k must be at least 1.")
    ranks = target_ranks(scores, targets).cpu()  # some devices know no float64
    return {k: (ranks < k).double().mean().item() for k in topk}


def confusion_matrix(pred: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """Count what was taken for what.

    Args:
        pred: (N,) int in [0, num_classes), the predicted classes.
        target: (N,) int in [0, num_classes), the right ones.
        num_classes: C.

    Returns:
        (C, C) int64; row = right class, column = predicted class, as in scikit-learn.

    Raises:
        ValueError: if the shapes differ or an entry is not a class.
    """
    if pred.shape != target.shape or pred.ndim != 1:
        raise ValueError(
            f"got pred of shape {tuple(pred.shape)} and target of shape {tuple(target.shape)}; "
            "expected (N,) for both."
        )
    pred = _checked_ids("prediction", pred, num_classes)
    target = _checked_ids("target", target, num_classes)
    counts = torch.bincount(target * num_classes + pred, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def per_class_scores(confusion: Tensor) -> PerClassScores:
    """Support, precision, recall and F1 of each class.

    Args:
        confusion: (C, C) int, row = right class, column = predicted class.

    Returns:
        ``support`` (C,) int64, the samples of each class; ``precision``, ``recall``, ``f1`` (C,)
        float64 in [0, 1], 0 where nothing was predicted or nothing is there (scikit-learn's
        ``zero_division=0``).

    Raises:
        ValueError: if ``confusion`` is not square.
    """
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(
            f"got a confusion matrix of shape {tuple(confusion.shape)}; expected (C, C)."
        )
    hits = confusion.diagonal().double()
    support, predicted = confusion.sum(dim=1), confusion.sum(dim=0)
    return PerClassScores(
        support=support,
        precision=hits / predicted.clamp(min=1),
        recall=hits / support.clamp(min=1),
        f1=2 * hits / (support + predicted).clamp(min=1),
    )


def _checked_ids(what: str, ids: Tensor, num_classes: int) -> Tensor:
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise ValueError(f"{what}s are {ids.dtype}; expected integers, the ids of the classes.")
    outside = (ids < 0) | (ids >= num_classes)
    if outside.any():
        raise ValueError(
            f"got {what} {int(ids[outside][0])}, but with {num_classes} classes it must be in "
            f"[0, {num_classes}). Check the class list and the annotations."
        )
    return ids.long()
