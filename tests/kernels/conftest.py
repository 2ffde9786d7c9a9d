"""The kernels without a GPU: in Triton's interpreter, or compiled for one that is not there."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

import pytest

from tresnet_tasks.kernels import availability


@pytest.fixture
def fresh_kernels() -> Iterator[None]:
    """Kernels are imported anew by the test: what becomes of them is settled at their import."""
    pytest.importorskip("triton", reason="triton has no build for this system")
    _forget()
    yield
    _forget()


@pytest.fixture
def interpreted(fresh_kernels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton's kernels run as Python, on CPU tensors, while the test lasts."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setenv(availability.SWITCH, "1")


@pytest.fixture(params=[None, 32], ids=["large tiles", "small tiles"])
def tiles(
    request: pytest.FixtureRequest, interpreted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles as they are, and so small that a small image is cut into several."""
    if request.param is not None:
        module = importlib.import_module("tresnet_tasks.kernels.tiles_triton")
        monkeypatch.setattr(module, "_TILE", request.param)


def _forget() -> None:
    for name in list(sys.modules):
        if name.startswith("tresnet_tasks.kernels.") and name.endswith("_triton"):
            del sys.modules[name]
