"""Thresholds in a test of a multi-label model: which are used, and whether others are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from mmengine.dist import is_main_process

from ..heads import MultiLabel
from ..metrics import (
    MultiLabelMetric,
    StoredThresholds,
    find_thresholds,
    read_thresholds,
    thresholds_from_data,
    thresholds_of_head,
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
        parts = _parts(runner)
        for option, value in (("--thresholds", self.file), ("--find-thresholds", self.find)):
            if value is not None and len(parts) != 1:
                has = "no such evaluator (MultiLabelMetric)"
                if parts:
                    has = f"several: {', '.join(part.head for part in parts)}"
                raise ValueError(
                    f"{option} is for a model of several labels an image alone, or with one head of "
                    f"that kind, and the config has {has}. Leave it out."
                )
        for part in parts:
            found: StoredThresholds | None = None
            own = thresholds_of_head(stored, part.head) if part.head else stored
            if self.file is not None:
                found = read_thresholds(self.file, part.classes)
            elif own is not None:
                found = thresholds_from_data(own, part.classes, f"checkpoint {weights}")
            if found is None:
                continue
            if isinstance(part.task, MultiLabel):
                part.task.set_thresholds(found.values, found.temperature)
            for metric in part.metrics:
                metric.tuned = torch.tensor(found.values)
            runner.logger.info(
                f"{part.head}{': ' if part.head else ''}thresholds of {self.file or weights} (by "
                f"{found.rule or 'an unknown rule'}); the scores at these are those named _tuned"
            )

    def find_and_write(self, runner: Any) -> None:
        """After the test, find thresholds on its data and write them, if that is asked for."""
        if self.find is None or not is_main_process():
            return
        metric = _parts(runner)[0].metrics[0]
        found = find_thresholds(metric, self.precision, self.temperature)
        found.thresholds.write(self.find)
        runner.logger.info(f"{found.told}; written to {self.find}\n{found.table}")


class _Part(NamedTuple):
    """What predicts several labels an image: the model, or one of its heads."""

    head: str  # '' for the model
    task: Any
    classes: Sequence[str]
    metrics: list[MultiLabelMetric]


def _parts(runner: Any) -> list[_Part]:
    evaluator, model = runner.test_loop.evaluator, getattr(runner.model, "module", runner.model)
    info = runner.test_loop.dataloader.dataset.metainfo
    found = []
    for head, several in getattr(evaluator, "by_head", {"": evaluator.metrics}).items():
        metrics = [metric for metric in several if isinstance(metric, MultiLabelMetric)]
        if metrics:
            task = (model.heads[head] if head else model.head).task
            classes = (info["tasks"][head] if head else info)["classes"]
            found.append(_Part(head, task, classes, metrics))
    return found
