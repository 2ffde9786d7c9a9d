"""How well the scores of one image rank its labels."""

from __future__ import annotations

import torch
from torch import Tensor

from .average_precision import check_scores_and_targets


def ranking_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Share of the pairs of a positive and a negative of an image that are ranked wrongly.

    Args:
        scores: (N, C) float on any device.
        targets: (N, C) in {0, 1}; -1 marks an unknown label, which counts nowhere.

    Returns:
        (N,) float64 on CPU, in [0, 1]; a tie counts as wrong, an image without a pair as 0. Its
        mean is scikit-learn's ``label_ranking_loss``.

    Raises:
        ValueError: if the shapes differ, a score is NaN or a target is none of the above.
    """
    check_scores_and_targets(scores, targets)
    positive, negative = targets == 1, targets == 0
    negatives = negative.sum(1, keepdim=True)
    others = scores.masked_fill(~negative, -torch.inf).sort(dim=1).values
    # At most all negatives, lest the fillers tie with a score of -inf.
    not_below = scores.shape[1] - torch.searchsorted(others, scores.contiguous())
    wrong = (torch.minimum(not_below, negatives) * positive).sum(1)
    pairs = positive.sum(1) * negatives[:, 0]
    return wrong.cpu().double() / pairs.cpu().clamp(min=1)


def coverage(scores: Tensor, targets: Tensor) -> Tensor:
    """How many classes, from the highest score down, hold all positives of an image.

    Args:
        scores: (N, C) float on any device.
        targets: (N, C) in {0, 1}; -1 marks an unknown label, which counts nowhere.

    Returns:
        (N,) float64 on CPU, in [0, C]; tied scores are taken together, an image without positives
        counts 0. Its mean is scikit-learn's ``coverage_error``.

    Raises:
        ValueError: if the shapes differ, a score is NaN or a target is none of the above.
    """
    check_scores_and_targets(scores, targets)
    positive = targets == 1
    least = scores.masked_fill(~positive, torch.inf).amin(1, keepdim=True)
    taken = ((scores >= least) & (targets >= 0)).sum(1) * positive.any(1)
    return taken.cpu().double()
