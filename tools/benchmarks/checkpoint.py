"""Checkpoints: what one costs a training that goes on while it is written.

Steps of a real run (averaged weights, SGD with momentum, random images) are timed one by one. A
checkpoint is taken at every second group of steps; its cost is the time of such a group over that
of the group after, so that other work on the machine disturbs both alike. A group must be longer
than the writing of a file.

examples:
  python tools/benchmark.py checkpoint
  python tools/benchmark.py checkpoint --device cuda --batch-size 128 --steps 50
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from measuring.interleaved import Spread
from measuring.options import add_common_options, machine
from measuring.results import print_table, write_results
from mmengine.config import Config
from mmengine.hooks import Hook
from torch import Tensor
from torch.utils.data import Dataset

from tresnet_tasks.registry import DATASETS, RUNNERS
from tresnet_tasks.structures import ClsDataSample


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the cost of a checkpoint."""
    args = _parser().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        runner = RUNNERS.get("TaskRunner").from_cfg(_config(args, folder))
        runner.register_hook(clock)
        runner.train()
        size = next(Path(folder).glob("*.pth")).stat().st_size
    # The first checkpoint is taken at the end of the second group.
    timed, number = clock.seconds[2 * args.steps - 1 :], args.steps
    groups = [timed[i : i + number] for i in range(0, 2 * number * args.rounds, number)]
    pairs = list(zip(groups[1::2], groups[0::2], strict=True))
    cost = Spread.of([sum(saving) - sum(plain) for plain, saving in pairs])
    pause = Spread.of([saving[0] - sum(plain) / len(plain) for plain, saving in pairs])
    row = {
        "checkpoint MB": size / 1e6,
        "s/step": Spread.of([sum(plain) / len(plain) for plain, _ in pairs]).median,
        "s a checkpoint stops training": pause.median,
        "s it costs in all": cost.median,
        "quartiles": f"{cost.low:.3f} to {cost.high:.3f}",
        "% of a minute": 100 * cost.median / 60,
    }
    device = torch.device(args.device)
    print(f"{args.arch}, {args.size} px, batch {args.batch_size}, {machine(device)}")
    print_table([row])
    write_results(args.out, machine(device), [row])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py checkpoint",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=10, help="in a group")
    parser.add_argument("--rounds", type=int, default=5, help="checkpoints that count")
    add_common_options(parser, batch_size=8)
    return parser


@DATASETS.register_module(name="BenchmarkImages")
class _Images(Dataset[Any]):
    metainfo = {"classes": tuple(map(str, range(1000))), "task": "single_label"}  # noqa: RUF012

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.pixels = torch.randint(0, 256, (3, size, size), dtype=torch.uint8)

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> dict[str, Tensor | ClsDataSample]:
        return {"inputs": self.pixels, "data_samples": ClsDataSample().set_gt_label(index % 1000)}


class _Clock(Hook):
    """Seconds from the end of one step to the end of the next, checkpoints included."""

    priority = "LOWEST"

    def before_train(self, runner: Any) -> None:
        self.seconds: list[float] = []
        self._last = time.perf_counter()

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now


def _config(args: argparse.Namespace, folder: str) -> Config:
    steps = 2 * args.steps * (args.rounds + 1)
    save = {"type": "SaveCheckpointHook", "by": "step", "interval": 2 * args.steps, "max_keep": 1}
    wrapper = "OptimWrapper" if args.dtype == "fp32" else "BFloat16OptimWrapper"
    return Config(
        {
            "work_dir": folder,
            "default_scope": "tresnet_tasks",
            "model": {
                "type": "Classifier",
                "data_preprocessor": {"type": "Preprocessor"},
                "backbone": {"type": "TResNet", "arch": args.arch},
                "head": {"type": "LinearHead", "num_classes": 1000, "in_channels": 2048},
            },
            "train_dataloader": {
                "batch_size": args.batch_size,
                "dataset": {
                    "type": "BenchmarkImages",
                    "number": args.batch_size,
                    "size": args.size,
                },
                "sampler": {"type": "InfiniteSampler"},
                "collate_fn": {"type": "collate"},
            },
            "train_cfg": {"by_epoch": False, "max_iters": steps},
            "optim_wrapper": {
                "type": wrapper,
                "optimizer": {"type": "SGD", "lr": 1e-4, "momentum": 0.9},
            },
            "default_hooks": {"checkpoint": {**save, "save_best": None}, "logger": None},
            "custom_hooks": [{"type": "ModelEMAHook"}],
            "visualizer": {"type": "Visualizer"},
            "log_level": "WARNING",
            "randomness": {"seed": 0},
        }
    )
