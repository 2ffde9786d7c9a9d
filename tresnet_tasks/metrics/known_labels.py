"""Scores of the labels that are known, and nothing of the others."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .average_precision import check_scores_and_targets
from .multilabel_scores import topk_mask
from .ranking import coverage, ranking_loss

# A label in one int32: class << 2 | whether among the k best << 1 | whether positive.
_CLASS_SHIFT, _TOPK_BIT, _POSITIVE_BIT = 2, 2, 1


class LabelRecords(NamedTuple):
    """Known labels of some images, 8 bytes a label and 28 an image.

    Attributes:
        codes: (L,) int32, class, top-k and positive of each label.
        scores: (L,) float32.
        images: (N,) int64, what tells the images apart; -1 where nothing does.
        counts: (N,) int32, labels of each image; they follow one another in ``codes``.
        ranking: (N, 2) float64, ranking loss and coverage of each image.
    """

    codes: NDArray[np.int32]
    scores: NDArray[np.float32]
    images: NDArray[np.int64]
    counts: NDArray[np.int32]
    ranking: NDArray[np.float64]


class KnownLabels:
    """Known labels sorted by class.

    Attributes:
        scores: (L,) float32.
        positive: (L,) bool.
        in_topk: (L,) bool, whether the class was among the k best of its image.
        ends: (C + 1,) int64; the labels of class c are those from ``ends[c]`` to ``ends[c + 1]``.

    Args:
        records: of all images.
        num_classes: C.
    """

    def __init__(self, records: LabelRecords, num_classes: int) -> None:
        # Numbers of 16 bits are sorted in linear time.
        kind = np.uint16 if num_classes <= 1 << 16 else np.int32
        classes = (records.codes >> _CLASS_SHIFT).astype(kind)
        counts = np.bincount(classes, minlength=num_classes)
        self.ends: NDArray[Any] = np.concatenate([[0], np.cumsum(counts)])
        order = np.argsort(classes, kind="stable")
        del classes
        self.scores = records.scores[order]
        codes = records.codes[order]
        self.positive = (codes & _POSITIVE_BIT).astype(bool)
        self.in_topk = (codes & _TOPK_BIT).astype(bool)

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.ends) - 1

    def of_class(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Scores and labels of one class, in the order of the images."""
        part = slice(self.ends[index], self.ends[index + 1])
        return self.scores[part], self.positive[part]

    def with_scores(self, scores: NDArray[np.float32]) -> KnownLabels:
        """The same labels with other scores, (L,), that rank them alike."""
        other = copy(self)
        other.scores = scores
        return other

    def count(self, which: NDArray[np.bool_]) -> Tensor:
        """(C,) int64, how many of each class's labels are among ``which``, (L,) bool."""
        sums = np.concatenate([[0], np.cumsum(which, dtype=np.int64)])
        return torch.from_numpy(np.diff(sums[self.ends]))

    def above(self, thresholds: Tensor) -> NDArray[np.bool_]:
        """(L,) bool, which scores are strictly above their class's threshold, (C,)."""
        limits = thresholds.numpy().astype(np.float32)
        found: NDArray[np.bool_] = self.scores > np.repeat(limits, np.diff(self.ends))
        return found


def record_labels(
    scores: Tensor, targets: Tensor, images: list[int], topk: int | None, ranking: bool
) -> LabelRecords:
    """Take the known labels out of a batch.

    Args:
        scores: (N, C) float on any device.
        targets: (N, C) in {0, 1, -1}.
        images: (N,) what tells the images apart.
        topk: how many of each image's best classes to mark; None marks none.
        ranking: whether to compute ranking loss and coverage; else they are NaN.

    Raises:
        ValueError: if the shapes differ, a score is NaN or a target is none of the above.
    """
    check_scores_and_targets(scores, targets)
    rows, classes = (targets >= 0).nonzero(as_tuple=True)
    codes = (classes << _CLASS_SHIFT) | (targets[rows, classes] == 1)
    if topk is not None:
        codes |= topk_mask(scores, topk)[rows, classes] * _TOPK_BIT
    ranks = torch.full((len(scores), 2), torch.nan, dtype=torch.float64)
    if ranking:
        known = _without_unknown(scores, targets, rows, classes)
        ranks = torch.stack([ranking_loss(*known), coverage(*known)], dim=1)
        ranks[~(targets >= 0).any(1).cpu()] = torch.nan  # of an image of which nothing is known
    return LabelRecords(
        codes=codes.to(torch.int32).cpu().numpy(),
        scores=scores[rows, classes].float().cpu().numpy(),
        images=np.array(images, dtype=np.int64),
        counts=(targets >= 0).sum(1).to(torch.int32).cpu().numpy(),
        ranking=ranks.numpy(),
    )


def join_records(records: list[LabelRecords]) -> LabelRecords:
    """One after the other; ``records`` is emptied on the way, so that little is there twice."""
    if len(records) == 1:
        return records.pop()
    columns: list[list[NDArray[Any]]] = [list(column) for column in zip(*records, strict=True)]
    records.clear()
    joined = []
    for column in columns:
        joined.append(np.concatenate(column))
        column.clear()
    return LabelRecords(*joined)


def select_images(records: LabelRecords, keep: NDArray[np.bool_]) -> LabelRecords:
    """The records of some images, ``keep`` (N,) bool."""
    if keep.all():
        return records
    labels = np.repeat(keep, records.counts)
    return LabelRecords(
        codes=records.codes[labels],
        scores=records.scores[labels],
        images=records.images[keep],
        counts=records.counts[keep],
        ranking=records.ranking[keep],
    )


def _without_unknown(
    scores: Tensor, targets: Tensor, rows: Tensor, classes: Tensor
) -> tuple[Tensor, Tensor]:
    """The known labels moved to the left, filled up with unknown ones; few of many are cheap so."""
    known = targets >= 0
    width = int(known.sum(1).max())
    if width == scores.shape[1]:
        return scores, targets
    places = (known.cumsum(1) - 1)[rows, classes]
    packed = scores.new_zeros((len(scores), width)), targets.new_full((len(scores), width), -1)
    for full, narrow in zip((scores, targets), packed, strict=True):
        narrow[rows, places] = full[rows, classes]
    return packed
