"""A broken OpenCV is answered with the line that mends it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        ("raise ImportError('libGL.so.1: cannot open shared object file')", "libGL.so.1"),
        ("", "incomplete: it has no imdecode"),
    ],
)
def test_the_error_says_what_to_run(
    library: str, reason: str, tmp_path: Path, repository: Path
) -> None:
    (tmp_path / "cv2.py").write_text(library)
    path = os.pathsep.join([str(tmp_path), str(repository)])
    done = subprocess.run(
        [sys.executable, "-c", "import tresnet_tasks.upstream.opencv"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert reason in done.stderr
    assert "pip install --force-reinstall --no-deps opencv-python-headless" in done.stderr
