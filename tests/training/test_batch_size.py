from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tresnet_tasks.training import batch_size as module
from tresnet_tasks.training.batch_size import batch_of, fit_batch_size, largest
from tresnet_tasks.training.launch import LaunchOptions, load_config
from tresnet_tasks.training.trial import EnoughError

Write = Callable[..., Path]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 16, 23, 100, 333, 999, 5000])
@pytest.mark.parametrize("start", [1, 64, 1000])
def test_the_largest_size_that_fits_is_found_in_few_trials(limit: int, start: int) -> None:
    tried: list[int] = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= limit

    found = largest(fits, start, 1000)
    most = min(limit, 1000)
    assert found <= most
    assert most - found <= max(8, most // 16)
    assert found == most or found <= 16 or found % 8 == 0
    assert len(tried) == len(set(tried)) <= 16


def test_where_nothing_fits_that_is_said() -> None:
    with pytest.raises(ValueError, match="not one image fits"):
        largest(lambda size: False, 64, 100)


def test_a_batch_is_made_larger_by_its_own_samples() -> None:
    sample = {"label": 1}
    batch = {"inputs": torch.arange(3)[:, None], "data_samples": [sample, {}, {}], "name": "x"}
    found = batch_of(batch, 7)
    assert found["inputs"].flatten().tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert [sample in ({"label": 1},) for sample in found["data_samples"]].count(True) == 3
    assert found["data_samples"][3] is not sample and found["name"] == "x"
    assert len(batch_of(batch, 2)["inputs"]) == 2


def test_a_step_that_runs_out_of_memory_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)

    def step(size: int) -> float:
        if size > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if size > 3:
            raise RuntimeError("CUDNN_STATUS_ALLOC_FAILED")
        if size > 2:
            raise RuntimeError("shapes do not match")
        return 0.1

    assert [module._fits(step, size) for size in (5, 4, 2)] == [False, False, True]
    with pytest.raises(RuntimeError, match="shapes"):
        module._fits(step, 3)


def test_a_cpu_takes_the_smallest_batch_that_is_as_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "peak_memory", lambda: 100.0)
    probe = module._Probe(4)
    # 100 ms for each step and 1 ms for each image: 8 images 74 a second, 1024 911.
    probe._on_cpu(lambda size: 0.1 * (size < 256) + 0.001 * size, 10_000)
    assert probe.found == 256 and "no faster" in probe.reason


def test_a_cpu_stays_within_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([100.0, 120.0, 140.0, 180.0, 260.0])
    monkeypatch.setattr(module, "peak_memory", lambda: next(peaks))
    monkeypatch.setattr(module, "_available_memory", lambda: 200.0)
    probe = module._Probe(4)
    probe._on_cpu(lambda size: 1.0, 10_000)
    # 32 images took 80 MiB more, 64 would take 160, and 100 are to be had.
    assert probe.found == 32 and "half of the free" in probe.reason


@pytest.mark.parametrize(
    ("images", "own", "accumulated", "most"),
    [
        (36, 8, 1, 8),  # the config's own leaves fewer than 20 steps already
        (36, 64, 1, 36),
        (1000, 8, 1, 50),
        (1000, 8, 2, 25),  # steps of the optimizer
    ],
)
@pytest.mark.parametrize("gpu", [False, True])
def test_an_epoch_keeps_20_steps_or_those_of_the_config(
    images: int, own: int, accumulated: int, most: int, gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = SimpleNamespace(is_cuda=gpu)
    model = SimpleNamespace(train_step=lambda *_, **__: None, parameters=lambda: iter([weight]))
    loader = SimpleNamespace(dataset=range(images))
    runner = SimpleNamespace(model=model, train_dataloader=loader, optim_wrapper=None)
    ticks = itertools.count()
    # Each step takes a second, so that larger batches are always faster, and everything fits.
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(ticks)))
    monkeypatch.setattr(module, "peak_memory", lambda: 100.0)
    for name in ("empty_cache", "synchronize", "set_per_process_memory_fraction"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2**34, 2**34))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 0)
    probe = module._Probe(own, accumulated)
    with pytest.raises(EnoughError):
        probe.before_train_iter(runner, 0, {"inputs": torch.zeros(4, 1)})
    assert probe.found == most
    assert f"leave an epoch of {images:,} images fewer than 20 steps" in probe.reason


def test_the_rates_follow_the_batch(
    tiny_config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_12(self: Any, *_: object) -> None:
        self.found, self.reason = 12, "so it was decided"

    monkeypatch.setattr(module._Probe, "_on_cpu", take_12)
    monkeypatch.setattr(module._Probe, "_on_gpu", take_12)
    cfg = load_config(str(tiny_config("optim_wrapper['accumulative_counts'] = 2")))
    told = fit_batch_size(cfg, LaunchOptions(work_dir=str(tmp_path / "w")))
    assert cfg.train_dataloader.batch_size == 12
    assert cfg.auto_scale_lr == {"enable": True, "base_batch_size": 8}
    assert "batch size 12 in place of 4" in told and "auto_scale_lr.base_batch_size=8" in told
    assert not (tmp_path / "w").exists()

    cfg = load_config(str(tiny_config("auto_scale_lr = dict(base_batch_size=64)")))
    fit_batch_size(cfg, LaunchOptions())
    assert cfg.auto_scale_lr == {"enable": True, "base_batch_size": 64}


def test_the_command_finds_a_batch_and_trains_with_it(
    tiny_config: Write, command: Any, tmp_path: Path
) -> None:
    config = tiny_config("train_cfg['max_epochs'] = 1")
    printed = command("train", config, "--work-dir", tmp_path / "w", "--auto-batch")
    # There are 12 images: a larger batch than the config's is not to be had.
    assert "batch size 4 in place of 4" in printed and "fewer than 20 steps" in printed
    assert "a step of the optimizer: 4 images" in printed
    assert "from a batch of 4" in printed and (tmp_path / "w/epoch_1.pth").exists()


@pytest.mark.parametrize("changes", [{"resume": True}, {"launcher": "pytorch"}])
def test_a_run_that_must_keep_its_batch_is_refused(tiny_config: Write, changes: Any) -> None:
    with pytest.raises(ValueError, match="for a new run of one process"):
        fit_batch_size(load_config(str(tiny_config())), LaunchOptions(**changes))
