"""tools/benchmark.py kernels, as far as it goes without a GPU."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def benchmark(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(repository / "tools")
    yield import_module("benchmarks.kernels")
    for name in list(sys.modules):
        if name.partition(".")[0] in ("benchmarks", "measuring"):
            del sys.modules[name]


@pytest.mark.parametrize("layout", ["nchw", "channels_last"])
def test_kernels_and_operators_agree(
    interpreted: None,
    benchmark: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    layout: str,
) -> None:
    monkeypatch.setattr(benchmark, "_CHANNELS", {6: 4})
    out = tmp_path / "kernels.json"
    small = (
        "--batch-size",
        "2",
        "--dtype",
        "fp32",
        "--device",
        "cpu",
        "--out",
        str(out),
        "--sizes",
        "6",
    )
    assert benchmark.main([*small, "--layouts", layout]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert len(rows) == 10
    assert all(0 < row["largest difference"] < 1e-5 for row in rows)


def test_without_a_gpu_it_says_what_can_be_done(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ValueError, match="TRITON_INTERPRET=1"):
        benchmark.main(["--device", "cpu"])
