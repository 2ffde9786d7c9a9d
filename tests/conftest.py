"""What all tests share."""

from __future__ import annotations

import io
import multiprocessing
import os
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tresnet_tasks  # noqa: F401 - mmdet, which some tests import first, cannot be without it

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


TINY_CONFIG = """
_base_ = ["{configs}/_base_/models/tresnet_cls.py", "{configs}/_base_/runtime.py"]
_root = "{root}"
_pipeline = [dict(type="LoadImage"), dict(type="PackClsInputs")]
_loader = dict(batch_size=4, num_workers=0, collate_fn=dict(type="collate"))
model = dict(
    backbone=dict(
        arch=dict(
            layers=(1, 1, 1, 1),
            width_factor=0.125,
            blocks=("basic", "basic", "bottleneck", "bottleneck"),
        )
    )
)
train_dataloader = dict(
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    dataset=dict(type="ImageFolder", data_root=_root, data_prefix="train", pipeline=_pipeline),
    **_loader,
)
val_dataloader = dict(
    sampler=dict(type="EpochSampler", shuffle=False),
    dataset=dict(
        type="ImageFolder", data_root=_root, data_prefix="val", test_mode=True, pipeline=_pipeline
    ),
    **_loader,
)
test_dataloader = val_dataloader
val_evaluator = dict(type="Accuracy", topk=(1,))
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.02, momentum=0.9))
param_scheduler = dict(type="CosineAnnealingLR", convert_to_iter_based=True)
default_hooks = dict(logger=dict(interval=1))
"""


def _write_tiny_data(root: Path) -> Path:
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for split, number in (("train", 4), ("val", 2)):
        for channel, name in ((2, "blue"), (1, "green"), (0, "red")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(number):
                pixels = generator.integers(0, 100, (32, 32, 3), dtype=np.uint8)
                pixels[..., channel] += 120
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return root


@pytest.fixture
def tiny_data(tmp_path: Path) -> Path:
    """A data root with {train,val}/{blue,green,red}, 4 and 2 noisy images of 32x32 px each."""
    return _write_tiny_data(tmp_path / "colours")


@pytest.fixture
def tiny_config(tmp_path: Path, tiny_data: Path) -> Callable[..., Path]:
    """A factory of configs that train a tiny network on ``tiny_data`` in a second.

    ``tiny_config("randomness = dict(seed=3)")`` appends lines to it, ``old="drop_last=True",
    new=""`` replaces text in it, ``name`` is its file.
    """

    def write(more: str = "", *, old: str = "", new: str = "", name: str = "tiny.py") -> Path:
        text = TINY_CONFIG.format(configs=REPOSITORY / "configs", root=tiny_data)
        assert old in text
        path = tmp_path / name
        path.write_text(f"{text.replace(old, new) if old else text}{more}\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command as a user does, in this process: ``command("train", ...)`` gives its output.

    ``status`` is the exit status that is expected. An exception that is not told in one message
    fails the test.
    """
    from tresnet_tasks.commands.main import main

    monkeypatch.delenv("TRESNET_TASKS_TRACEBACK", raising=False)

    def run(*arguments: Any, status: int = 0) -> str:
        capsys.readouterr()
        got = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert got == status, captured.out + captured.err
        return captured.out + captured.err

    return run


@dataclass(frozen=True)
class TinyRun:
    """A finished training: its config, data, work dir and what it printed."""

    config: Path
    data: Path
    work_dir: Path
    printed: str

    @property
    def best(self) -> Path:
        return self.work_dir / "best.pth"


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """``tiny_config`` trained for two epochs by the command, once for all tests: only to be read."""
    from tresnet_tasks.commands.main import main

    folder = tmp_path_factory.mktemp("tiny_run")
    data = _write_tiny_data(folder / "colours")
    config = folder / "tiny.py"
    config.write_text(TINY_CONFIG.format(configs=REPOSITORY / "configs", root=data))
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main(["train", str(config), "--work-dir", str(folder / "run")]) == 0
    return TinyRun(config, data, folder / "run", printed.getvalue())


@pytest.fixture
def on_two_ranks(tmp_path: Path) -> Any:
    """Runs ``work(rank)`` in two processes that are connected over gloo; gives their exit statuses."""

    import torch

    def begin(rank: int, work: Callable[[int], object]) -> None:
        torch.set_num_threads(1)  # a forked process has none of its parent's threads
        store = f"file://{tmp_path}/ranks"
        torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
        work(rank)

    def run(work: Callable[[int], object]) -> list[int | None]:
        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=begin, args=(rank, work)) for rank in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        return [process.exitcode for process in processes]

    return run
