"""Thresholds in a test of a multi-label model: which are used, and whether others are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from mmengine.dist import is_main_process

from ..heads import MultiLabel
from ..metrics import (
    MultiLabelMetric,
    StoredThresholds,
    find_thresholds,
    read_thresholds,
    thresholds_from_data,
)


@dataclass(frozen=True)
class TestThresholds:
    """What the command line says of thresholds.

    Attributes:
        file: a threshold file to use in place of the checkpoint's.
        find: a threshold file to write, found on the data of this test.
        precision: see ``best_thresholds``; None for the highest F1.
        temperature: whether to fit a temperature too.
    """

    __test__ = False  # its name is no test's

    file: str | None = None
    find: str | None = None
    precision: float | None = None
    temperature: bool = False

    def __post_init__(self) -> None:
        if self.find is None and (self.precision is not None or self.temperature):
            raise ValueError(
                "--precision and --temperature say how thresholds are found; add --find-thresholds "
                "FILE.json, or leave them out."
            )
        if self.precision is not None and not 0 < self.precision <= 1:
            raise ValueError(f"--precision {self.precision}; expected a share in (0, 1].")

    def use(self, runner: Any, stored: Any, weights: str) -> None:
        """Give model and metric the thresholds of the file, or the checkpoint's.

        Args:
            runner: before its test, with the weights loaded.
            stored: what the checkpoint has as ``meta.thresholds``; None for nothing.
            weights: the checkpoint's name, for errors.

        Raises:
            ValueError: if they are of other classes, or the model has one label an image.
        """
        metrics = _metrics(runner)
        if not metrics:
            for option, value in (("--thresholds", self.file), ("--find-thresholds", self.find)):
                if value is not None:
                    raise ValueError(
                        f"{option} is for a model of several labels an image alone, and the "
                        "config has no such evaluator (MultiLabelMetric). Leave it out."
                    )
            return
        classes = runner.test_loop.dataloader.dataset.metainfo["classes"]
        found: StoredThresholds | None = None
        if self.file is not None:
            found = read_thresholds(self.file, classes)
        elif stored is not None:
            found = thresholds_from_data(stored, classes, f"checkpoint {weights}")
        if found is None:
            return
        task = getattr(runner.model, "module", runner.model).head.task
        if isinstance(task, MultiLabel):
            task.set_thresholds(found.values, found.temperature)
        for metric in metrics:
            metric.tuned = torch.tensor(found.values)
        runner.logger.info(
            f"thresholds of {self.file or weights} (by {found.rule or 'an unknown rule'}); the "
            "scores at these are those named _tuned"
        )

    def find_and_write(self, runner: Any) -> None:
        """After the test, find thresholds on its data and write them, if that is asked for."""
        if self.find is None or not is_main_process():
            return
        found = find_thresholds(_metrics(runner)[0], self.precision, self.temperature)
        found.thresholds.write(self.find)
        runner.logger.info(f"{found.told}; written to {self.find}\n{found.table}")


def _metrics(runner: Any) -> list[MultiLabelMetric]:
    if hasattr(runner.test_loop.evaluator, "by_head"):  # several heads: each keeps its own for now
        return []
    metrics = runner.test_loop.evaluator.metrics
    return [metric for metric in metrics if isinstance(metric, MultiLabelMetric)]
