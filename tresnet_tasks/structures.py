"""What a head is told about an image, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence

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


def _as_ids(label: int | Sequence[int] | Tensor) -> Tensor:
    return torch.as_tensor(label, dtype=torch.int64).reshape(-1)
