"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before any test imports albumentations: it asks the network for a newer version of itself.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    # Several workers with a thread for each core stand in each other's way. Read by torch here and
    # in subprocesses.
    os.environ["OMP_NUM_THREADS"] = "1"

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def _one_thread_a_worker() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real photographs, not part of the repository; without it a test is skipped.

    It is ``$TRESNET_TASKS_REAL_DATA``, or ``shared/data`` beside the checkout.
    """
    named = os.environ.get("TRESNET_TASKS_REAL_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real photographs at {folder} (TRESNET_TASKS_REAL_DATA says where)")
    return folder
