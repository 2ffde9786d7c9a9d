"""The benchmarks of the loss and of mAP run, in sizes that take no time; none of their times is tested."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch


@pytest.fixture(autouse=True)
def _tools(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(repository / "tools")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_each_loss_is_compared_with_binary_cross_entropy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main = import_module("benchmarks.loss").main
    assert main(["--shape", "8", "5", "--seconds", "0"]) == 0
    told = capsys.readouterr().out
    assert len(re.findall(r"\(8, 5\) .* us +\d+\.\d\d x BCE +peak", told)) == 4


def test_map_equals_that_of_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    main = import_module("benchmarks.map").main
    assert main(["--images", "200", "--classes", "3", "--rounds", "1"]) == 0
    off = re.findall(r"off by at most (\S+)", capsys.readouterr().out)
    assert len(off) >= 2
    assert float(off[0]) < 1e-9
