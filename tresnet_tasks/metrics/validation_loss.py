"""The loss on data that the model does not train on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric

from ..registry import METRICS
from .sample_identity import sample_identity


@METRICS.register_module()
class ValidationLoss(BaseMetric):
    """The training's loss over the evaluation set, as ``val/loss``.

    Reads ``loss`` of each data sample, which ``Classifier(predict_loss=True)`` and
    ``MultiTaskModel(predict_loss=True)`` set in the pass that makes the predictions: the loss of the
    sample's batch. Among the metrics of a joint model's head it tells that head's weighted loss over
    the images that have labels for it, as ``HEAD/val/loss``. The result is its mean over the
    samples, which for a loss that is a mean over its batch is the mean over the set, whatever the
    batches; of a sum it is the mean sum. Samples that a sampler repeats to fill the ranks count
    once.

    Args:
        prefix: put before the name of the result.
        collect_device: 'cpu' or 'gpu', how the ranks exchange their results.
        collect_dir: a directory that all ranks see, for 'cpu'.

    Raises:
        ValueError: while processing, for a sample without a loss.
    """

    def __init__(
        self, prefix: str = "val", collect_device: str = "cpu", collect_dir: str | None = None
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        self._size = 0

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Take in the losses of one batch.

        Args:
            data_batch: not used.
            data_samples: a data sample, or its dict, for each image; None for one that could not be
                read.
        """
        for sample in data_samples:
            if sample is None:
                continue
            loss = sample.get("loss")
            if loss is None:
                raise ValueError(
                    "ValidationLoss got a sample without a loss; it needs model=dict("
                    "type='Classifier', predict_loss=True), or MultiTaskModel, and a label for each "
                    "image. Set that, or take ValidationLoss out of the evaluator; for a detector "
                    "alone there is custom_hooks=[dict(type='DetectorLossHook')]."
                )
            self.results.append((sample_identity(sample), float(loss)))

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the mean from all ranks' results and forget these.

        Args:
            size: the number of images of the data set.
        """
        # mmengine would cut the list at `size`; repeated samples are told by their identity.
        self._size = size
        return super().evaluate(sys.maxsize)  # type: ignore[no-any-return]

    def compute_metrics(self, results: list[tuple[int, float]]) -> dict[str, float]:
        """Reduce the collected results to ``loss``.

        Raises:
            ValueError: if there are none.
        """
        if not results:
            raise ValueError(
                "ValidationLoss got no samples: the evaluation set is empty, or none of its images "
                "could be read. Check the data set's path and annotations."
            )
        losses = [loss for _, loss in results]
        if get_world_size() > 1:
            if all(identity >= 0 for identity, _ in results):
                losses = list(dict(results).values())
            else:
                losses = losses[: self._size]
        return {"loss": sum(losses) / len(losses)}
