"""The memory path as it goes through the kernels, without Triton."""

from __future__ import annotations

import importlib

import pytest

from tresnet_tasks import kernels
from tresnet_tasks.layers.recompute import activated, addition


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks call the kernels' plain twins in their place, which take float64 as well."""
    package = "tresnet_tasks.layers.recompute."
    for part in ("activated", "addition"):
        fused = importlib.import_module(f"{package}fused_{part}")
        names = [name for name in vars(fused) if name.startswith(f"{part}_")]
        assert len(names) == 3
        for name in names:
            monkeypatch.setattr(fused, name, getattr(kernels, f"{name}_plain"))
    for module in ("activated", "fused_addition"):
        described = importlib.import_module(package + module)
        monkeypatch.setattr(described, "has_kernels", lambda x: True)
    # The end of a bottleneck as it is in half precision.
    end = importlib.import_module(f"{package}bottleneck_end")
    monkeypatch.setattr(end, "follows_from_input", lambda z, abn: False)
    for plain in (activated.Activated, addition.Addition):
        monkeypatch.setattr(plain, "forward", None)  # nothing else is called
