"""Average precision of classes, without interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def average_precision(scores: Tensor, targets: Tensor) -> Tensor:
    """Average precision of each class, without interpolation.

    Tied scores form one threshold, so a constant score earns the class prior. Follows
    scikit-learn's ``average_precision_score``.

    Args:
        scores: (N, C) float on any device, higher means more likely; any monotone scale.
        targets: (N, C) in {0, 1}; -1 marks an unknown label, left out of its class.

    Returns:
        (C,) float64 on CPU, in [0, 1]; NaN where a class has no positive.

    Raises:
        ValueError: if the shapes differ, a score is NaN or a target is none of the above.
    """
    check_scores_and_targets(scores, targets)
    # The classes as rows, so that each is one contiguous piece of memory.
    by_class = _as_array(scores.detach().T)
    labels = _as_array(targets.detach().T.to(torch.int8))
    result = torch.full((len(by_class),), torch.nan, dtype=torch.float64)
    for c, (values, known) in enumerate(zip(by_class, labels, strict=True)):
        result[c] = class_average_precision(values[known == 1], values[known == 0])
    return result


def class_average_precision(positive: NDArray[Any], negative: NDArray[Any]) -> float:
    """Average precision of one class.

    Args:
        positive: (P,) scores of its positives; no NaN.
        negative: (Q,) scores of its negatives; no NaN.

    Returns:
        A number in [0, 1]; NaN without positives.
    """
    if not len(positive):
        return float("nan")
    # Precision is wanted at the scores of positives alone, so two sorts of values and two binary
    # searches do in place of one sort of indices; NumPy sorts values many times as fast.
    positive, negative = np.sort(positive), np.sort(negative)
    hits = len(positive) - np.searchsorted(positive, positive)
    false = len(negative) - np.searchsorted(negative, positive)
    return float((hits / (hits + false)).mean())


def check_scores_and_targets(scores: Tensor, targets: Tensor) -> None:
    """Refuse what cannot be scored.

    Args:
        scores: should be (N, C) float without NaN.
        targets: should be (N, C) of 0, 1 and -1.

    Raises:
        ValueError: if they are not.
    """
    if scores.ndim != 2 or scores.shape != targets.shape:
        raise ValueError(
            f"got scores of shape {tuple(scores.shape)} and targets of shape "
            f"{tuple(targets.shape)}; expected (N, C) for both."
        )
    if not scores.is_floating_point():
        raise ValueError(f"scores are {scores.dtype}; expected floating point, such as float32.")
    if scores.isnan().any():
        rows = scores.isnan().any(dim=1).nonzero().flatten().tolist()
        raise ValueError(
            f"the scores of {len(rows)} of {len(scores)} samples are NaN (first: row {rows[0]}). "
            "The model has diverged or its input is damaged: check the loss and the images."
        )
    wrong = ~((targets == 0) | (targets == 1))
    if wrong.any():
        wrong &= targets != -1
    if wrong.any():
        row, column = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"{int(wrong.sum())} targets are not labels, the first is "
            f"{targets[row, column].item():g} (row {row}, class {column}); expected 1 (positive), "
            "0 (negative) or -1 (unknown). Check the annotations; soft targets cannot be scored."
        )


def _as_array(tensor: Tensor) -> NDArray[Any]:
    if tensor.is_floating_point() and tensor.dtype not in (torch.float32, torch.float64):
        tensor = tensor.float()  # exact; NumPy knows no bfloat16
    array: NDArray[Any] = tensor.cpu().contiguous().numpy()
    return array
