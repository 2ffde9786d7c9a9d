"""Thresholds of the classes, found at each validation and kept with the checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mmengine.hooks import Hook

from ...metrics import MultiLabelMetric
from ...metrics.finding import find_thresholds
from ...metrics.stored_thresholds import StoredThresholds
from ...registry import HOOKS


@HOOKS.register_module()
class ThresholdHook(Hook):
    """Finds thresholds on the validation data; ``best.pth`` carries those of its own validation.

    ``predict`` and ``test`` use them. They are stored in ``meta.thresholds`` of a checkpoint that is
    written after the validation of the same weights, which ``best.pth`` is; those that are written
    before their validation have none; of a joint model there are some for each head with several
    labels, by its name, in ``meta.thresholds.tasks``. The numbers of the validation itself stay
    those at the metric's own threshold; what the found ones bring is logged.

    Args:
        precision: None for the highest F1 of each class; else the precision that each class must
            reach, at the highest recall.
        temperature: also fit a temperature, which scales all scores before thresholds are found.
        bins: of the reliability table, which is printed at the last validation.

    Raises:
        ValueError: for a precision outside (0, 1].
    """

    # Before checkpoints are written, which is at very low priority.
    priority = "LOW"

    def __init__(
        self, precision: float | None = None, temperature: bool = False, bins: int = 10
    ) -> None:
        if precision is not None and not 0 < precision <= 1:
            raise ValueError(f"precision={precision}; expected a share in (0, 1], such as 0.9.")
        self.precision = precision
        self.temperature = temperature
        self.bins = bins
        self.found: dict[str, StoredThresholds] = {}
        self._iteration = -1

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Find them on the rank that has gathered the labels."""
        self.found, self._iteration = {}, runner.iter
        evaluator = runner.val_loop.evaluator
        by_head = getattr(evaluator, "by_head", None)
        last = runner.epoch >= runner.max_epochs or runner.iter >= runner.max_iters
        for head, several in (by_head or {"": getattr(evaluator, "metrics", ())}).items():
            metric = first_with_labels(several)
            if metric is None:
                continue
            found = find_thresholds(metric, self.precision, self.temperature, self.bins)
            self.found[head] = found.thresholds
            runner.logger.info(f"head {head}: {found.told}" if head else found.told)
            if last:
                runner.logger.info(f"\n{found.table}")

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Store them beside the weights that they were found with."""
        if not self.found or self._iteration != runner.iter:
            return
        data = {head: found.to_data() for head, found in self.found.items()}
        checkpoint["meta"]["thresholds"] = data.get("", {"tasks": data})


def first_with_labels(metrics: Iterable[Any]) -> MultiLabelMetric | None:
    """The metric of several labels an image that has gathered some on this rank."""
    fitting = (metric for metric in metrics if isinstance(metric, MultiLabelMetric))
    return next((metric for metric in fitting if metric.known_labels is not None), None)
