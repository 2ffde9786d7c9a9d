from __future__ import annotations

import logging

import pytest

from tresnet_tasks.upstream.console import ConsoleHandler


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("backbone.conv.weight is skipped since its requires_grad=False", ""),
        ("low", "warning: low\n"),
    ],
)
def test_frozen_tensors_are_not_told_one_by_one(
    text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = logging.LogRecord("mmengine", logging.WARNING, __file__, 1, text, None, None)
    ConsoleHandler(logging.INFO).handle(record)
    assert capsys.readouterr().out == shown
