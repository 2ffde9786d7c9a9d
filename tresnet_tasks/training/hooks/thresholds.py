"""Thresholds of the classes, found at each validation and kept with the checkpoint."""

from __future__ import annotations

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
    before their validation have none. The numbers of the validation itself stay those at the
    metric's own threshold; what the found ones bring is logged.

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
        self.found: StoredThresholds | None = None
        self._iteration = -1

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Find them on the rank that has gathered the labels."""
        self.found = None
        for metric in getattr(runner.val_loop.evaluator, "metrics", ()):
            if isinstance(metric, MultiLabelMetric) and metric.known_labels is not None:
                found = find_thresholds(metric, self.precision, self.temperature, self.bins)
                self.found, self._iteration = found.thresholds, runner.iter
                runner.logger.info(found.told)
                if runner.epoch >= runner.max_epochs or runner.iter >= runner.max_iters:
                    runner.logger.info(f"\n{found.table}")
                return

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Store them beside the weights that they were found with."""
        if self.found is not None and self._iteration == runner.iter:
            checkpoint["meta"]["thresholds"] = self.found.to_data()
