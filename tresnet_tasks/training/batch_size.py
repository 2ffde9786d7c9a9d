"""The batch size that a machine carries, found by trying."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from torch import Tensor

from .dry_run import peak_memory
from .launch import LaunchOptions
from .trial import EnoughError, run_trial

_SHARE = 0.9  # of the memory that is free; the rest is for fragments, validation and neighbours
_GAIN = 1.05  # of throughput, below which a CPU needs no larger batch
_MOST_SECONDS = 20.0  # for a step on a CPU
_LEAST_STEPS = 20  # an epoch: with fewer, larger ones at higher rates, little is learnt


def fit_batch_size(cfg: Config, options: LaunchOptions) -> str:
    """Set ``train_dataloader.batch_size`` to what fits, in place, and have the rates follow it.

    On a GPU it is the largest batch whose training steps fit into 90 % of the memory that is free:
    doubled until one does not, then halved in between. On a CPU, where memory is seldom the limit,
    it is the smallest batch that is within 5 % of the most images a second, and at most what half
    of the available memory takes. On both an epoch keeps 20 steps of the optimizer, or as many as
    the config's own batch leaves. The trials are training steps of this config, on copies of the
    first batch; the model that makes them is thrown away.

    The rates follow by the linear rule: ``auto_scale_lr`` is enabled, with its
    ``base_batch_size`` or, where the config has none, the batch that the config states.

    Args:
        cfg: as read; ``batch_size`` and ``auto_scale_lr`` are changed.
        options: of the run to come.

    Returns:
        What was found, with the settings to state in its place.

    Raises:
        ValueError: if not one image fits, for a run of several processes, or one that is resumed,
            which must go on with the batch that it had.
    """
    if options.launcher != "none" or options.resume:
        why = "of several processes" if options.launcher != "none" else "that is resumed"
        raise ValueError(
            f"--auto-batch is for a new run of one process, not for one {why}. State the batch that "
            "it has found: --cfg-options train_dataloader.batch_size=N."
        )
    before = cfg.train_dataloader.get("batch_size", 1)
    accumulated = (cfg.get("optim_wrapper") or {}).get("accumulative_counts", 1)
    probe = _Probe(before, accumulated)
    run_trial(cfg, options, probe)
    found = probe.found
    cfg.train_dataloader.batch_size = found
    rule = dict(cfg.get("auto_scale_lr") or {})
    base = rule.get("base_batch_size") or before * accumulated
    cfg.auto_scale_lr = {"enable": True, "base_batch_size": base}
    return (
        f"batch size {found} in place of {before}: {probe.reason}. Rates are scaled by "
        f"{found * accumulated}/{base}. To state it: --cfg-options "
        f"train_dataloader.batch_size={found} auto_scale_lr.enable=True "
        f"auto_scale_lr.base_batch_size={base}"
    )


class _Probe(Hook):
    """Tries batch sizes before the first step, and ends the trial."""

    # After all other hooks: the step is then what it will be.
    priority = "LOWEST"

    def __init__(self, start: int, accumulated: int = 1) -> None:
        self.start = start
        self.accumulated = accumulated
        self.found = start
        self.reason = ""
        self._limit = ""  # why there is no larger batch than the largest

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Search."""
        images = len(runner.train_dataloader.dataset)
        enough = images // (_LEAST_STEPS * self.accumulated)
        most = min(images, max(enough, self.start))
        self._limit = (
            f"more would leave an epoch of {images:,} images fewer than {_LEAST_STEPS} steps"
        )

        def step(size: int) -> float:
            batch = batch_of(data_batch, size)
            began = time.perf_counter()
            runner.model.train_step(batch, optim_wrapper=runner.optim_wrapper)
            return time.perf_counter() - began

        if next(runner.model.parameters()).is_cuda:
            self._on_gpu(step, min(self.start, most), most)
        else:
            self._on_cpu(step, most)
        raise EnoughError

    def _on_gpu(self, step: Callable[[int], float], start: int, most: int) -> None:
        free, total = torch.cuda.mem_get_info()
        share = (free + torch.cuda.memory_reserved()) * _SHARE / total
        torch.cuda.set_per_process_memory_fraction(share)
        try:
            self.found = largest(lambda size: _fits(step, size), start, most)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
            torch.cuda.empty_cache()
        room = f"the most that {_SHARE:.0%} of the free {free / 2**30:.1f} GiB take"
        self.reason = self._limit if self.found == most else room

    def _on_cpu(self, step: Callable[[int], float], most: int) -> None:
        speeds: dict[int, float] = {}
        at_first, room = peak_memory(), _available_memory() / 2
        size = min(8, most)
        while True:
            step(size)  # a warm-up: memory is claimed, kernels are chosen
            seconds = step(size)
            speeds[size] = size / seconds
            best = max(speeds.values())
            larger = min(2 * size, most)
            why = None
            if size == most:
                why = self._limit
            elif (peak_memory() - at_first) * larger / size > room:
                why = f"more would take half of the free {room / 2**9:.1f} GiB"
            elif seconds * larger / size > _MOST_SECONDS:
                why = f"a step takes {seconds:.1f} s"
            elif len(speeds) > 2 and best < _GAIN * max(list(speeds.values())[:-2]):
                why = "larger ones are no faster"
            if why is not None:
                break
            size = larger
        self.found = min(size for size, speed in speeds.items() if speed * _GAIN >= best)
        self.reason = f"{speeds[self.found]:.3g} img/s on this CPU, at most {best:.3g} ({why})"


def largest(fits: Callable[[int], bool], start: int, most: int) -> int:
    """The largest size that fits, to about 6 %; above 16 a multiple of 8, unless it is ``most``.

    Args:
        fits: whether a size does; if one does, smaller ones do.
        start: tried first, then doubled.
        most: is not exceeded.

    Raises:
        ValueError: if not even 1 does.
    """
    good, bad, size = 0, most + 1, start
    while bad - good > max(1, good // 16):
        if fits(size):
            good = size
        else:
            bad = size
        middle = (good + bad) // 2
        rounded = middle // 8 * 8
        size = rounded if rounded > max(good, 16) else middle
        if bad > most:  # nothing has failed yet
            size = min(2 * good, most)
    if not good:
        raise ValueError(
            "not one image fits into the memory of the GPU. Set smaller images, --amp bf16, or "
            "model.backbone.with_cp=True; or end what else runs on it."
        )
    return good if good <= 16 or good == most else good // 8 * 8


def batch_of(batch: Any, size: int) -> Any:
    """A batch of ``size`` samples made of another's, each as often as is needed.

    Args:
        batch: what a collate function gives: containers of tensors (N, ...) and lists of N.
        size: of the new one.
    """
    if isinstance(batch, dict):
        return {key: batch_of(value, size) for key, value in batch.items()}
    if isinstance(batch, Tensor):
        return batch[torch.arange(size) % len(batch)]
    if isinstance(batch, Sequence) and not isinstance(batch, str):
        samples = itertools.islice(itertools.cycle(batch), size)
        return [copy.deepcopy(sample) for sample in samples]
    return batch


def _fits(step: Callable[[int], float], size: int) -> bool:
    fitted = False
    try:
        # The second one has the optimizer's state beside it.
        for _ in range(2):
            step(size)
        torch.cuda.synchronize()
        fitted = True
    except torch.OutOfMemoryError:
        pass
    except RuntimeError as error:  # of libraries that claim memory themselves
        if not any(word in str(error).lower() for word in ("out of memory", "alloc_failed")):
            raise
    torch.cuda.empty_cache()
    return fitted


def _available_memory() -> float:
    """MiB that this process may still claim, as far as the system tells."""
    found = float("inf")
    with suppress(OSError, ValueError, IndexError):
        text = Path("/proc/meminfo").read_text(encoding="utf-8")
        found = float(text.split("MemAvailable:")[1].split()[0]) / 2**10
    with suppress(OSError, ValueError):  # a container's own limit
        folder = Path("/sys/fs/cgroup")
        limit = float((folder / "memory.max").read_text())
        used = float((folder / "memory.current").read_text())
        found = min(found, (limit - used) / 2**20)
    return found
