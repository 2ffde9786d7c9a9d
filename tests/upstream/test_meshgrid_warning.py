from __future__ import annotations

import subprocess
import sys

CODE = """
import warnings

import torch

from tresnet_tasks.registry import MODELS

torch.set_warn_always(True)
MODELS.get("FCOS")
torch.meshgrid(torch.arange(2), torch.arange(2))
warnings.warn("another")
"""


def test_mmdets_call_of_meshgrid_is_not_warned_of_and_all_else_is() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert "meshgrid" not in done.stderr
    assert "another" in done.stderr
