"""What a head is told about an image, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor


class ClsDataSample(BaseDataElement):
    """Labels and prediction of one image, for single- and multi-label classification.

    Fields (each absent until set):
        gt_label: (K,) int64, the labels that hold; K = 1 for single-label.
        gt_score: (C,) float32, soft, smoothed or multi-hot targets; -1 marks an unknown label.
        pred_score: (C,) float32 in [0, 1].
        pred_label: (1,) int64, the class of the highest score, or (K,) the classes above their
            thresholds.

    Metainfo: ``img_path``, ``ori_shape`` and ``img_shape`` as (height, width), ``sample_idx``.
    """

    def set_gt_label(self, label: int | Sequence[int] | Tensor) -> ClsDataSample:
        """Store the labels that hold, one id or several."""
        self.set_field(_as_ids(label), "gt_label", dtype=Tensor)
        return self

    def set_gt_score(self, score: Tensor) -> ClsDataSample:
        """Store soft or multi-hot targets, (C,) float32."""
        self.set_field(score, "gt_score", dtype=Tensor)
        return self

    def set_pred_score(self, score: Tensor) -> ClsDataSample:
        """Store the scores of all classes, (C,) in [0, 1]."""
        self.set_field(score, "pred_score", dtype=Tensor)
        return self

    def set_pred_label(self, label: int | Sequence[int] | Tensor) -> ClsDataSample:
        """Store the predicted class ids."""
        self.set_field(_as_ids(label), "pred_label", dtype=Tensor)
        return self


class MultiTaskDataSample(BaseDataElement):
    """One sub-sample for each head, under the head's name.

    A head that lacks labels for an image has no sub-sample, or one without a field ``gt_*``. The
    sub-samples are ``ClsDataSample`` or mmdet's ``DetDataSample``; two heads of one kind never
    overwrite each other.

    Metainfo: that of the image (``img_path``, ``ori_shape``, ``img_shape``, ...), and ``source``,
    the name of the data set that it comes from.
    """

    def set_task(self, head: str, sample: BaseDataElement) -> MultiTaskDataSample:
        """Store the sub-sample of a head.

        Raises:
            ValueError: if the name is taken by a method of this class.
        """
        if head in _RESERVED:
            raise ValueError(
                f"a head cannot be called {head!r}, which is a method of the data sample. Choose "
                "another name for it."
            )
        self.set_field(sample, head, dtype=BaseDataElement)
        return self

    def task(self, head: str) -> BaseDataElement | None:
        """The sub-sample of a head, or None."""
        sample: BaseDataElement | None = self.get(head)
        return sample

    def labelled(self, head: str) -> bool:
        """Whether the image has labels for a head."""
        return _has_labels(self.task(head))


_RESERVED = frozenset(dir(MultiTaskDataSample))


def _has_labels(sample: BaseDataElement | None) -> bool:
    return sample is not None and any(key.startswith("gt_") for key in sample.keys())  # noqa: SIM118


def _as_ids(label: int | Sequence[int] | Tensor) -> Tensor:
    if isinstance(label, int):  # Once for every sample that is read: in half the time.
        return torch.from_numpy(np.array([label], dtype=np.int64))
    return torch.as_tensor(label, dtype=torch.int64).reshape(-1)
