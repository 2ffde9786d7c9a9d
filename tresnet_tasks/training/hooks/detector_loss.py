"""The loss of a detector on the validation data."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...heads import check_box_scale, evaluated_loss
from ...registry import HOOKS


@HOOKS.register_module()
class DetectorLossHook(Hook):
    """Adds the training's loss over the validation set to its metrics, as ``val/loss``.

    mmdet's detectors compute no loss where they predict, so each batch passes the net twice. The
    result is the mean over the images of the loss of their batch, in evaluation mode; images that a
    sampler repeats to fill the ranks count twice. ``save_best='val/loss'`` takes the lowest.

    The validation pipeline needs ``LoadAnnotations`` before what changes the size of the image.

    Raises:
        ValueError: if the samples have no boxes, or boxes that are not those of the resized image.
    """

    # Before RuntimeInfoHook, which records the metrics.
    priority = "HIGHEST"

    def __init__(self) -> None:
        self._total = torch.zeros(2, dtype=torch.float64)

    def before_val_epoch(self, runner: Any) -> None:
        """Begin anew."""
        self._total = torch.zeros(2, dtype=torch.float64)

    @torch.no_grad()
    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Compute the loss of a batch."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        data = model.data_preprocessor(data_batch, False)
        samples = data["data_samples"]
        check_box_scale(samples)
        with evaluated_loss(model):
            loss, _ = model.parse_losses(model(**data, mode="loss"))
        self._total += torch.tensor([float(loss) * len(samples), len(samples)])

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Add the mean over all ranks to the metrics."""
        total = self._total.clone()
        all_reduce(total)
        if metrics is not None and total[1] > 0:
            metrics["val/loss"] = (total[0] / total[1]).item()
