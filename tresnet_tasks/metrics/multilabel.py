"""The scores of multi-label classification over a whole data set."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ..registry import METRICS
from ..upstream.console import tell
from .average_precision import class_average_precision
from .known_labels import KnownLabels, LabelRecords, join_records, record_labels, select_images
from .multilabel_scores import class_f1, class_thresholds, scores_of_counts
from .multilabel_table import multilabel_table
from .sample_identity import sample_identity


@METRICS.register_module()
class MultiLabelMetric(BaseMetric):
    """mAP, the published scores at a threshold and of the k best classes, ranking loss, coverage.

    Reads ``pred_score`` (C,) and either ``gt_score`` (C,) of 0, 1 and -1 (unknown, counts nowhere)
    or ``gt_label`` (K,), the labels that hold, of each data sample, given as ``ClsDataSample`` or
    dict. An image without any label is one of negatives.

    Only known labels are kept, 8 bytes each, so that 1.7 million images with few known labels of
    9,605 classes fit in memory. Nothing is approximated: scores are kept as float32, and the result
    over several ranks is that of one. Samples that a sampler repeats to fill the ranks are counted
    once (by ``sample_idx`` where the samples have it, else by their number).

    ``tuned``, an attribute, may be set to (C,) thresholds found on other data: the scores at these
    are then also among the results, as ``CF1_tuned`` and so on.

    After ``evaluate``, on the main rank: ``known_labels`` (``KnownLabels``), from which thresholds
    can be found; ``class_ap`` and ``class_f1``, (C,) float64, NaN for a class without positives.

    Results: ``mAP``, and as ``mAP/NAME`` the AP of each class that has positives; ``CP CR CF1 OP OR
    OF1 macro_F1`` at the threshold, see ``multilabel_scores``; the same with ``_top3`` for the 3
    best classes; ``ranking_loss``; ``coverage`` (in classes). All others in [0, 1].

    Args:
        threshold: a label is predicted if its score is strictly above it; one number or (C,). It
            may be set at any time before ``evaluate``, as an attribute.
        topk: also score the k best classes of each image; None does not.
        ranking: also compute ranking loss and coverage.
        per_class: also give the AP of each class, and print AP, precision, recall and F1 of each
            (of the worst where there are many).
        prefix: put before the names of the results, as ``prefix/mAP``.
        collect_device: 'cpu' or 'gpu', how the ranks exchange their results.
        collect_dir: a directory that all ranks see, for 'cpu'.

    Raises:
        ValueError: if ``topk`` is below 1; while processing, for a NaN score, a label other than 0,
            1 and -1, a number of classes that differs from the data set's.
    """

    results: list[Any]

    show_table = True  # on the console, not in the log file alone; of validations only at the last

    def __init__(
        self,
        threshold: float | Sequence[float] | Tensor = 0.5,
        topk: int | None = 3,
        ranking: bool = True,
        per_class: bool = True,
        prefix: str | None = None,
        collect_device: str = "cpu",
        collect_dir: str | None = None,
    ) -> None:
        # BaseMetric warns about every metric without a prefix; `mAP` is meant to stand alone.
        super().__init__(collect_device, prefix or "-", collect_dir)
        self.prefix = prefix
        if topk is not None and topk < 1:
            raise ValueError(f"topk is {topk}; it must be at least 1, or None.")
        self.threshold = threshold
        self.tuned: Tensor | None = None
        self.topk = topk
        self.ranking = ranking
        self.per_class = per_class
        self.known_labels: KnownLabels | None = None
        self.class_ap: Tensor | None = None
        self.class_f1: Tensor | None = None
        self._num_classes: int | None = None
        self._size = 0
        self._said_absent: set[int] = set()

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Take in the predictions of one batch.

        Args:
            data_batch: not used.
            data_samples: a ``ClsDataSample``, or its dict, for each image; None for one that could
                not be read.
        """
        samples = [sample for sample in data_samples if sample is not None]
        if not samples:
            return
        scores = torch.stack([_scores(sample) for sample in samples])
        self._check_num_classes(scores.shape[1])
        targets = torch.stack([_targets(sample, scores.shape[1]) for sample in samples])
        images = [sample_identity(sample) for sample in samples]
        self.results.append(
            record_labels(scores, targets.to(scores.device), images, self.topk, self.ranking)
        )

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the scores from all ranks' results and forget these.

        Args:
            size: the number of images of the data set.
        """
        # One parcel a rank: mmengine would take the batches of the ranks alternately and cut them.
        self._size = size
        if self.results:
            self.results = [join_records(self.results)]
        elif get_world_size() > 1:
            self.results = [_NOTHING]
        return super().evaluate(sys.maxsize)  # type: ignore[no-any-return]

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Reduce the ranks' records to the scores; also prints the table."""
        results = [LabelRecords(*columns) for columns in results]  # mmengine makes plain tuples
        names = (self.dataset_meta or {}).get("classes")
        if self._num_classes is None and names is not None:
            self._num_classes = len(names)  # this rank had no readable image, others had
        if self._num_classes is None or not sum(len(records.images) for records in results):
            raise ValueError(
                "MultiLabelMetric got no predictions: the evaluation set is empty, or none of its "
                "images could be read. Check the data set's path and annotations."
            )
        if len(results) > 1:
            results = _without_repeats(results, self._size)
        records = join_records(results)
        known = self.known_labels = KnownLabels(records, self._num_classes)
        support = known.count(known.positive)
        self.class_ap = torch.tensor(
            [
                class_average_precision(scores[positive], scores[~positive])
                for scores, positive in map(known.of_class, range(known.num_classes))
            ],
            dtype=torch.float64,
        )
        self._say_absent(support)
        found = {"mAP": self.class_ap.nanmean().item()}
        above = known.above(class_thresholds(self.threshold, known.num_classes))
        hits, predicted = known.count(above & known.positive), known.count(above)
        found |= scores_of_counts(hits, predicted, support)
        self.class_f1 = class_f1(hits, predicted, support).masked_fill(support == 0, torch.nan)
        if self.tuned is not None:
            above = known.above(class_thresholds(self.tuned, known.num_classes))
            tuned = scores_of_counts(
                known.count(above & known.positive), known.count(above), support
            )
            found |= {f"{name}_tuned": value for name, value in tuned.items()}
        if self.topk is not None:
            best = scores_of_counts(
                known.count(known.in_topk & known.positive), known.count(known.in_topk), support
            )
            found |= {f"{name}_top{self.topk}": value for name, value in best.items()}
        if self.ranking:
            ranking = torch.from_numpy(records.ranking).nanmean(0)
            found["ranking_loss"], found["coverage"] = ranking.tolist()
        if self.per_class:
            classes, aps = self._class_names(), self.class_ap.tolist()
            found |= {f"mAP/{classes[c]}": aps[c] for c in support.nonzero().flatten().tolist()}
            table = multilabel_table(classes, self.class_ap, hits, predicted, support)
            tell(f"\n{table}", file_only=not self.show_table)
        return found

    def _check_num_classes(self, found: int) -> None:
        names = (self.dataset_meta or {}).get("classes")
        if names is not None and len(names) != found:
            raise ValueError(
                f"the model scores {found} classes, but the data set has {len(names)} "
                f"({', '.join(map(str, names[:5]))}{', ...' if len(names) > 5 else ''}). "
                "Evaluate with the data that the model was trained for, or set the head's "
                "num_classes."
            )
        if self._num_classes not in (None, found) and self.results:
            raise ValueError(f"got scores of {found} classes after scores of {self._num_classes}.")
        self._num_classes = found
        class_thresholds(self.threshold, found)  # told before the evaluation, not after it

    def _say_absent(self, support: Tensor) -> None:
        absent = (support == 0).nonzero().flatten().tolist()
        if not absent or set(absent) == self._said_absent:
            return
        self._said_absent = set(absent)
        names = self._class_names()
        few = ", ".join(names[i] for i in absent[:5]) + (", ..." if len(absent) > 5 else "")
        tell(
            f"{len(absent)} of {len(support)} classes have no positive in the evaluation data "
            f"({few}): they have no AP and are left out of the means over the classes.",
        )

    def _class_names(self) -> list[str]:
        names = (self.dataset_meta or {}).get("classes")
        return [str(name) for name in names or range(self._num_classes or 0)]


_NOTHING = LabelRecords(
    np.empty(0, np.int32),
    np.empty(0, np.float32),
    np.empty(0, np.int64),
    np.empty(0, np.int32),
    np.empty((0, 2)),
)


def _without_repeats(ranks: list[LabelRecords], size: int) -> list[LabelRecords]:
    """Drop what a sampler repeated so that every rank has as many samples as the others."""
    images = np.concatenate([records.images for records in ranks])
    keep = np.zeros(len(images), dtype=bool)
    if (images >= 0).all():
        keep[np.unique(images, return_index=True)[1]] = True
    else:
        # The sampler deals the images out in turns: the i-th of rank r is number i * ranks + r.
        numbers = [
            np.arange(len(records.images)) * len(ranks) + r for r, records in enumerate(ranks)
        ]
        keep = np.concatenate(numbers) < (size or sys.maxsize)
    ends = np.cumsum([len(records.images) for records in ranks])[:-1]
    parts = np.split(keep, ends)
    return [select_images(records, part) for records, part in zip(ranks, parts, strict=True)]


def _scores(sample: Any) -> Tensor:
    scores = sample.get("pred_score")
    if scores is None:
        raise ValueError(
            "a data sample has no pred_score; MultiLabelMetric needs it, and gt_score or gt_label."
        )
    return torch.as_tensor(scores).detach()


def _targets(sample: Any, num_classes: int) -> Tensor:
    """(C,) of 0, 1 and -1, if the annotations are right."""
    targets = sample.get("gt_score")
    if targets is not None:
        found = torch.as_tensor(targets)
        if len(found) != num_classes:
            raise ValueError(
                f"a data sample has labels of {len(found)} classes but scores of {num_classes}. "
                "Evaluate with the data that the model was trained for."
            )
        return found.float()
    labels = sample.get("gt_label")
    if labels is None:
        raise ValueError(
            "a data sample has neither gt_score nor gt_label; MultiLabelMetric needs one of them."
        )
    ids = torch.as_tensor(labels).reshape(-1).long()
    if len(ids) and (ids.min() < 0 or ids.max() >= num_classes):
        raise ValueError(
            f"a data sample has the labels {ids.tolist()}, but the model scores {num_classes} "
            f"classes (0 to {num_classes - 1}). Check the class list and the annotations."
        )
    return torch.zeros(num_classes, device=ids.device).index_fill(0, ids, 1)
