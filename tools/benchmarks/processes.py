"""Processes: what synchronised statistics and the exchange of metrics cost a run of several.

Each process takes steps of forward, backward and SGD on a batch of its own, by turns without any
exchange, with DDP's gradients, and with synchronised statistics too; then it collects one result for
each of 50,000 images, as a validation does. On a machine whose cores all processes share, more
processes are no faster than one with as many threads: compare the ratios.

examples:
  python tools/benchmark.py processes
  python tools/benchmark.py processes --number 8 --threads 4 --batch-size 32
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from measuring.options import machine
from measuring.results import print_table, write_results
from mmengine.dist import collect_results_cpu
from torch import distributed, multiprocessing

from tresnet_tasks.backbones import TResNet
from tresnet_tasks.training import ReplicatedModel

_IMAGES = 50_000


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the cost of several processes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--number", type=int, default=2, help="of processes (default: 2)")
    parser.add_argument("--threads", type=int, default=1, help="of each process (default: 1)")
    parser.add_argument("--arch", default="tresnet_m")
    parser.add_argument("--size", type=int, default=64, help="of the images (default: 64)")
    parser.add_argument("--batch-size", type=int, default=8, help="of each process (default: 8)")
    parser.add_argument("--rounds", type=int, default=5, help="steps of each kind (default: 5)")
    parser.add_argument("--out", type=Path, help="json file for the results")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_measure, (args, folder), nprocs=args.number)
        rows = torch.load(Path(folder) / "rows.pt", weights_only=True)
    print_table(rows)
    write_results(args.out, machine(torch.device("cpu")), rows)
    return 0


def _measure(rank: int, args: argparse.Namespace, folder: str) -> None:
    torch.set_num_threads(args.threads)
    torch.manual_seed(rank)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=args.number
    )
    net = TResNet(args.arch)
    images = torch.rand(args.batch_size, 3, args.size, args.size)
    steps = {
        "alone": _stepper(copy.deepcopy(net), images),
        "DDP": _stepper(ReplicatedModel(copy.deepcopy(net)), images),
        "DDP, sync_bn": _stepper(ReplicatedModel(net, sync_bn=True), images),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(args.rounds + 1):
        for name, step in steps.items():
            distributed.barrier()
            start = time.perf_counter()
            step()
            if number:  # the first is a warm-up
                seconds[name].append(time.perf_counter() - start)
    results = [(index, 0, 0, 0) for index in range(_IMAGES // args.number)]
    distributed.barrier()
    start = time.perf_counter()
    collect_results_cpu(results, _IMAGES, f"{folder}/collected")
    collecting = time.perf_counter() - start
    if rank == 0:
        alone = median(seconds["alone"])
        rows: list[dict[str, Any]] = [
            {"step": name, "s": median(found), "x alone": median(found) / alone}
            for name, found in seconds.items()
        ]
        rows.append({"step": f"collecting {_IMAGES} results", "s": collecting, "x alone": None})
        torch.save(rows, Path(folder) / "rows.pt")
    distributed.destroy_process_group()


def _stepper(model: torch.nn.Module, images: torch.Tensor) -> Callable[[], None]:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def step() -> None:
        model(images)[0].square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
