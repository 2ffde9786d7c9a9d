"""Freed memory is used again without asking the system for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tresnet_tasks.upstream.allocator import keep_freed_memory

# Faults of pages that a process gets for a block no larger than one that it had just before.
SCRIPT = """
import resource, sys
import torch
from tresnet_tasks.upstream.allocator import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

kept = keep_freed_memory() if sys.argv[1] == "kept" else False
block = torch.ones(16 * 2**20)  # 64 MiB
del block
before = faults()
block = torch.ones(15 * 2**20)
print(kept, faults() - before)
"""


def _faults(what: str, **variables: str) -> tuple[bool, int]:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, what],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, faults = run.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings are meant")
def test_freed_blocks_are_used_again() -> None:
    kept, faults = _faults("kept")
    if not kept:
        pytest.skip("the C library is not glibc")
    # Huge pages are 2 MiB each.
    assert faults < 10 and _faults("left alone")[1] > 20


@pytest.mark.parametrize(
    "name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"]
)
def test_who_has_decided_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert not keep_freed_memory()


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
