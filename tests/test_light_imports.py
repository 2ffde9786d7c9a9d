"""What must answer at once loads nothing heavy. Modules are counted, not seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tresnet_tasks.commands.main import command_names

HEAVY = ("torch", "torchvision", "mmengine", "mmcv", "mmdet", "numpy", "cv2", "sklearn", "rich")
REPORT = f"""
import sys
heavy = sorted(set({HEAVY}) & set(sys.modules))
print("LOADED:", *heavy)
"""


def _loaded_by(code: str, folder: Path) -> str:
    line = [sys.executable, "-c", f"try:\n    {code}\nexcept SystemExit:\n    pass\n{REPORT}"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.rpartition("LOADED:")[2].strip()


def test_importing_the_package(repository: Path) -> None:
    assert _loaded_by("import tresnet_tasks", repository) == ""


def test_the_list_of_commands(repository: Path) -> None:
    code = "from tresnet_tasks.commands.main import main; main(['--help'])"
    assert _loaded_by(code, repository) == ""


@pytest.mark.parametrize("name", command_names())
def test_the_help_of_a_command(name: str, repository: Path) -> None:
    code = f"from tresnet_tasks.commands.main import main; main(['--help'], name={name!r})"
    assert _loaded_by(code, repository) == ""


def test_finding_a_config(repository: Path) -> None:
    code = "from tresnet_tasks.config_paths import config_names; config_names()"
    assert _loaded_by(code, repository) == ""
