"""Without this import mmcv.ops cannot be imported by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import tresnet_tasks  # noqa: F401


@pytest.fixture(autouse=True)
def _same_draws() -> None:
    torch.manual_seed(0)


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
