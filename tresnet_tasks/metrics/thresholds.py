"""Thresholds of classes, found where their labels are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .average_precision import check_scores_and_targets
from .known_labels import KnownLabels

# Of a class without positives, of which nothing can be found.
DEFAULT_THRESHOLD = 0.5
# No score in [0, 1] is above it.
NEVER = 1.0


def best_thresholds(scores: Tensor, targets: Tensor, precision: float | None = None) -> Tensor:
    """For each class the threshold of the highest F1, or of a wanted precision.

    Args:
        scores: (N, C) float in [0, 1] on any device.
        targets: (N, C) in {0, 1}; -1 marks an unknown label, left out of its class.
        precision: None for the highest F1; else the lowest threshold, so the highest recall, whose
            precision is at least this, in (0, 1].

    Returns:
        (C,) float64, to be used strictly: a class is predicted if its score is above.
        Each lies midway between two scores. Where several are best it is the highest. A class
        without positives gets 0.5, one that does not reach the precision 1, so that it is never
        predicted.

    Raises:
        ValueError: if the shapes differ, a score is NaN, a target is none of the above or the
            precision is out of its range.
    """
    check_scores_and_targets(scores, targets)
    # As KnownLabels keeps them, so that both find the same.
    by_class = scores.detach().float().T.cpu().numpy()
    labels = targets.detach().T.cpu().numpy()
    return torch.tensor(
        [
            class_threshold(values[known == 1], values[known == 0], precision)
            for values, known in zip(by_class, labels, strict=True)
        ],
        dtype=torch.float64,
    )


def known_thresholds(known: KnownLabels, precision: float | None = None) -> Tensor:
    """``best_thresholds`` of labels that a metric has gathered."""
    return torch.tensor(
        [
            class_threshold(scores[positive], scores[~positive], precision)
            for scores, positive in map(known.of_class, range(known.num_classes))
        ],
        dtype=torch.float64,
    )


def class_threshold(
    positive: NDArray[Any], negative: NDArray[Any], precision: float | None = None
) -> float:
    """The threshold of one class, see ``best_thresholds``.

    Args:
        positive: (P,) scores of its positives.
        negative: (Q,) scores of its negatives.
        precision: as there.
    """
    if precision is not None and not 0 < precision <= 1:
        raise ValueError(f"precision={precision}; expected a share in (0, 1], such as 0.9.")
    if not len(positive):
        return DEFAULT_THRESHOLD
    positive, negative = np.sort(positive), np.sort(negative)
    # Only a threshold just below a positive can be best: any other predicts more negatives.
    lowest, first = np.unique(positive, return_index=True)
    hits = len(positive) - first
    false = len(negative) - np.searchsorted(negative, lowest)
    if precision is None:
        f1 = 2 * hits / (hits + false + len(positive))
        chosen = len(f1) - 1 - int(f1[::-1].argmax())
    else:
        reached = np.flatnonzero(hits / (hits + false) >= precision)
        if not len(reached):
            return NEVER
        chosen = int(reached[0])
    above = float(lowest[chosen])
    below = [float(lowest[chosen - 1])] if chosen else [0.0]
    place = int(np.searchsorted(negative, lowest[chosen]))
    if place:
        below.append(float(negative[place - 1]))
    # Scores are compared as float32, in which the middle of two neighbours is one of them.
    middle = float(np.float32((above + max(below)) / 2))
    return (middle if middle < above else max(below)) if above > 0 else -1.0
