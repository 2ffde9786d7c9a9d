"""One answer from several views of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseTTAModel

from ..registry import MODELS
from ..structures import ClsDataSample


@MODELS.register_module()
class AverageClsScoreTTA(BaseTTAModel):
    """Average a classifier's scores over the views of an image; named as mmpretrain's.

    The labels are decided by the averaged scores, as the head decides: the highest one, or those
    above their thresholds. ``loss``, where the classifier gives it, is the first view's.

    Args:
        module: a ``Classifier`` or its config.
        data_preprocessor: in place of the config's own.
    """

    def merge_preds(
        self, data_samples_list: Sequence[Sequence[ClsDataSample]]
    ) -> list[ClsDataSample]:
        """Merge predictions.

        Args:
            data_samples_list: of each image its samples, a view each, with ``pred_score``.

        Returns:
            The sample of each image's first view, with the answer to all.
        """
        scores = torch.stack(
            [
                torch.stack([view.pred_score for view in views]).mean(0)
                for views in data_samples_list
            ]
        )
        classifier: Any = getattr(self.module, "module", self.module)  # inside what DDP puts round
        merged: list[ClsDataSample] = classifier.head.task.decide(
            scores, [views[0] for views in data_samples_list]
        )
        return merged
