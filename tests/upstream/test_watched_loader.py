from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import DataLoader, Dataset

from tresnet_tasks.commands._errors import plain_message
from tresnet_tasks.upstream.runner import TaskRunner
from tresnet_tasks.upstream.watched_loader import WatchedLoader, deaths_ignored, explained, watched

pytestmark = pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="needs POSIX signals")


class Photos(Dataset[Any]):
    """Twelve samples; on number ``bad`` something happens."""

    metainfo = {"classes": ("a", "b")}  # noqa: RUF012

    def __init__(self, bad: int = -1, kill: int = signal.SIGKILL) -> None:
        self.bad = bad
        self.kill = kill

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        if index == self.bad and self.kill:
            os.kill(os.getpid(), self.kill)
        elif index == self.bad:
            time.sleep(600)
        return {"inputs": torch.full((4,), float(index)), "data_samples": torch.tensor(index % 2)}


class NamedPhotos(Photos):
    def get_data_info(self, index: int) -> dict[str, Any]:
        return {"img_path": f"data/{index}.jpg"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stuck workers are waited for a moment only."""
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.2)
    yield


def load(dataset: Any, **settings: Any) -> DataLoader[Any]:
    return watched(DataLoader(dataset, batch_size=3, num_workers=2, **settings))


def failure(loader: DataLoader[Any], first: Callable[[], object] = lambda: None) -> str:
    """What a run over the loader is told."""
    try:
        first()
        for _ in loader:
            pass
    except Exception as error:  # which one depends on what the main process was at
        with deaths_ignored():
            told = explained(error, [("other", None), ("train_dataloader", loader)])
        assert told is not None, error
        return f"{type(told).__name__}: {told}"
    raise AssertionError("nothing failed")


def test_a_killed_worker_is_named_with_its_sample() -> None:
    told = failure(load(NamedPhotos(bad=4)))
    assert "ChildProcessError: 1 of the 2 data workers of train_dataloader died" in told
    assert "worker 1 was on sample 4, data/4.jpg (SIGKILL)" in told
    assert "train_dataloader.num_workers" in told


def test_a_sample_without_a_path_is_named_by_its_number() -> None:
    assert "worker 0 was on sample 2 (SIGKILL)" in failure(load(Photos(bad=2)))


def test_a_hanging_worker_is_named_with_its_sample() -> None:
    told = failure(load(NamedPhotos(bad=7, kill=0), timeout=1))
    assert "TimeoutError: no batch came from the 2 data workers of train_dataloader in 1 s" in told
    assert "worker 0 was on sample 7, data/7.jpg" in told
    assert "train_dataloader.timeout" in told


def test_a_worker_killed_between_samples_blames_none() -> None:
    loader = load(NamedPhotos(), persistent_workers=True)
    list(loader)
    workers: Any = loader._iterator
    told = failure(loader, lambda: os.kill(workers._workers[1].pid, signal.SIGKILL))
    assert "worker 1 was not on a sample" in told


def test_signals_of_others_do_not_end_a_worker() -> None:
    batches = iter(load(Photos()))
    next(batches), next(batches)  # both have begun
    workers: Any = batches
    for worker in workers._workers:
        for number in (signal.SIGINT, signal.SIGUSR1):
            os.kill(worker.pid, number)
        os.system(f"kill -TERM {worker.pid}")  # another process
    assert len(list(batches)) == 2


def test_the_main_process_can_end_a_worker() -> None:
    batches: Any = iter(load(Photos(bad=11, kill=0)))
    for _ in range(3):
        next(batches)
    worker = batches._workers[1]
    worker.terminate()
    worker.join(30)
    assert worker.exitcode == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_torchs_loader(workers: int) -> None:
    settings: dict[str, Any] = {"batch_size": 5, "num_workers": workers}
    settings["persistent_workers"] = workers > 0
    loader = watched(DataLoader(Photos(), **settings))
    assert isinstance(loader, WatchedLoader) and len(loader) == 3
    for _ in range(2):
        got = torch.cat([batch["inputs"] for batch in loader])
        assert torch.equal(got, torch.cat([batch["inputs"] for batch in DataLoader(Photos())]))


def test_other_errors_are_left_as_they_are() -> None:
    loader = load(Photos())
    list(loader)
    for error in (ValueError("DataLoader timed out"), RuntimeError("CUDA error")):
        assert explained(error, [("train_dataloader", loader)]) is None


class Net(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:
        return {"loss": nn.functional.cross_entropy(self.fc(inputs), data_samples)}


def test_training_ends_with_the_name_of_the_sample(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "train_cfg": {"by_epoch": True, "max_epochs": 1},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
        "train_dataloader": {
            "batch_size": 2,
            "num_workers": 1,
            "dataset": NamedPhotos(bad=9),
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "collate_fn": {"type": "default_collate"},
        },
    }
    runner = TaskRunner(model=Net(), work_dir=tmp_path, cfg=Config(), **settings)
    told = r"train_dataloader died.*sample 9, data/9.jpg"
    with pytest.raises(ChildProcessError, match=told) as error:
        runner.train()
    assert plain_message(error.value) == str(error.value)  # no traceback
