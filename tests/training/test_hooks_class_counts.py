from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from tresnet_tasks.training.hooks import ClassCountsHook
from tresnet_tasks.training.hooks.class_counts import counts_table


class Labelled:
    metainfo = {"classes": ("cat", "dog", "[bold]"), "task": "multi_label"}  # noqa: RUF012

    def __len__(self) -> int:
        return 10

    def label_counts(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([4, 1, 0]), np.array([8, 10, 10])


def said(dataset: object, caplog: pytest.LogCaptureFixture) -> str:
    logger = logging.getLogger("counts")
    with caplog.at_level(logging.INFO, "counts"):
        loader = SimpleNamespace(dataset=dataset)
        ClassCountsHook().before_train(SimpleNamespace(train_dataloader=loader, logger=logger))
    return caplog.text


def test_the_table_lists_the_rarest_first(caplog: pytest.LogCaptureFixture) -> None:
    text = said(Labelled(), caplog)
    rows = [line.split() for line in text.splitlines() if line.endswith(("10", "8"))]
    assert rows == [
        ["[bold]", "0", "0.00", "%", "10"],
        ["dog", "1", "10.00", "%", "10"],
        ["cat", "4", "50.00", "%", "8"],
    ]
    assert "10 images, 3 classes, 0.50 labels an image" in text


def test_classes_that_never_hold_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    text = said(Labelled(), caplog)
    assert "1 of 3 classes hold for no training image and cannot be learnt: [bold]" in text


def test_data_that_do_not_tell_their_labels_are_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert said([1, 2], caplog) == ""


def test_of_many_classes_the_ends_are_shown() -> None:
    held = np.arange(100)
    table = counts_table([f"c{i}" for i in range(100)], held, held + 1, 200, rows=4)
    names = [line.split()[0] for line in table.splitlines() if line.strip().startswith(("c", "."))]
    assert names == ["class", "c0", "c1", "...", "c98", "c99"]
    assert "96 more" in table
