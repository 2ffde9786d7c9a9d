"""A run that is killed and resumed equals the undisturbed one, bit for bit.

``TRESNET_TASKS_KILLS=20 pytest tests/training/test_exact_resume.py`` kills it at 20 random moments
(1 without the variable), ``TRESNET_TASKS_CHAOS_SEED`` chooses other ones.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.upstream.checkpoints import read_checkpoint

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or not Path("/proc").is_dir(), reason="forks runs and looks into /proc"
)

KILLS = int(os.environ.get("TRESNET_TASKS_KILLS", "1"))
PATIENCE = 600.0  # seconds; what should have ended by then hangs


@pytest.fixture(scope="module")
def runs() -> Any:
    """The module beside this file; tests are no package."""
    path = Path(__file__).with_name("killed_runs.py")
    spec = importlib.util.spec_from_file_location("killed_runs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["killed_runs"] = module
    spec.loader.exec_module(module)
    return module


def test_a_run_killed_in_mid_epoch_and_resumed_equals_the_straight_one(
    runs: Any, tiny_config: Callable[..., Path], tmp_path: Path
) -> None:
    """Two persistent workers, RandAugment, Mixup, drop path, averaging, clipping, no seed."""
    config = tiny_config(runs.EVERYTHING)
    killed, straight = tmp_path / "killed", tmp_path / "straight"
    log = tmp_path / "killed.log"
    runs.finish(runs.start(config, killed, kill_at=11), log, expected=-signal.SIGKILL)
    newest = max(killed.glob("iter_*.pth"), key=lambda path: int(path.stem[5:]))
    meta = read_checkpoint(newest)["meta"]
    assert (meta["epoch"], meta["iter"] % 6 > 0, meta["iter"] % 2) == (1, True, 0)
    runs.finish(runs.start(config, killed, resume=True), log)
    assert f"resumed from {newest}" in log.read_text()
    seed = json.loads((killed / "run.json").read_text())["seed"]
    assert f"seed {seed} (drawn" in log.read_text()
    runs.finish(runs.start(config, straight, seed=seed), tmp_path / "straight.log")
    runs.assert_same_end(straight, killed)


@pytest.mark.parametrize(
    ("processes", "kinds"),
    [(1, ["all", "worker"]), (2, ["launcher", "rank", "worker", "all"])],
    ids=["one_process", "two_under_torchrun"],
)
def test_a_run_killed_at_random_moments_ends_as_the_undisturbed_one(
    runs: Any, tiny_config: Callable[..., Path], tmp_path: Path, processes: int, kinds: list[str]
) -> None:
    """While starting and saving too; sometimes the newest file is cut short."""
    chance = random.Random(os.environ.get("TRESNET_TASKS_CHAOS_SEED", "0"))
    config = tiny_config(runs.EVERYTHING)
    straight, disturbed = tmp_path / "straight", tmp_path / "disturbed"
    log = tmp_path / "disturbed.log"

    def start() -> list[Any]:
        begin = runs.start_torchrun if processes == 2 else runs.start
        return list(begin(config, disturbed, resume=True, seed=1))

    began = time.monotonic()
    runs.finish(
        runs.start(config, straight, seed=1, processes=processes), tmp_path / "straight.log"
    )
    longest = time.monotonic() - began
    kills = 0
    while kills < KILLS:
        lock = disturbed / ".running"
        before = _changed(lock)
        [main] = started = start()
        if chance.random() < 0.8:  # past loading the libraries
            _wait(main, lambda lock=lock, before=before: _changed(lock) != before)
        until = time.monotonic() + chance.uniform(0.0, 0.8) * longest
        _wait(main, lambda until=until: time.monotonic() > until)
        if chance.random() < 0.3:  # in the middle of saving
            _wait(main, lambda: any(disturbed.glob(".*.tmp")))
        ranks = [main.pid] if processes == 1 else _children(main.pid)
        if not main.is_alive():  # it came to its end
            runs.finish(started, log)
            runs.assert_same_end(straight, disturbed)
            shutil.rmtree(disturbed)
            continue
        _kill(kinds[kills % len(kinds)], main, ranks, chance)
        kills += 1
        files = sorted(disturbed.glob("iter_*.pth"), key=lambda path: path.stat().st_mtime)
        if len(files) > 1 and chance.random() < 0.3:
            files[-1].write_bytes(files[-1].read_bytes()[: chance.randrange(10_000)])
    runs.finish(start(), log)
    runs.assert_same_end(straight, disturbed)
    assert not list(disturbed.glob(".*.tmp"))
    assert len(list(disturbed.glob("iter_*.pth"))) <= 2 + kills  # damaged ones stay until replaced


def _kill(kind: str, main: Any, ranks: list[int], chance: random.Random) -> None:
    """Kill one or all processes of a run; the others must end by themselves."""
    workers = [worker for rank in ranks for worker in _children(rank)]
    victims = {"launcher": [main.pid], "rank": ranks, "worker": workers}.get(kind)
    for victim in [chance.choice(victims)] if victims else [main.pid, *ranks]:
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    main.join(PATIENCE)
    patient_until = time.monotonic() + PATIENCE
    while any(map(_lives, ranks)) and time.monotonic() < patient_until:
        time.sleep(0.002)
    left = [pid for pid in (main.pid, *ranks) if _lives(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"{left} live on after the death of a {kind}"


def _wait(main: Any, reached: Callable[[], bool]) -> None:
    while not reached() and main.is_alive():
        time.sleep(0.002)


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _lives(pid: int) -> bool:
    try:
        # The name before it, in brackets, may hold anything.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
