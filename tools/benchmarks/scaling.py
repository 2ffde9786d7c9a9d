"""Scaling: images a second and memory kept, of training, against batch size, resolution or depth.

Give several values of one of --batch-size, --size and --arch. A step is forward, cross entropy and
backward; at each value the networks are timed interleaved. The figure has speed beside memory.

examples:
  python tools/benchmark.py scaling --batch-size 1 2 4 8 16 32 --out batch.json --figure batch.png
  python tools/benchmark.py scaling --size 224 320 448 672 896 --batch-size 2 --figure size.png
  python tools/benchmark.py scaling --arch tresnet_m tresnet_l tresnet_xl --figure depth.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from measuring.contestants import CONTESTANTS, build
from measuring.figure import draw_results
from measuring.interleaved import Spread, ratios, time_interleaved
from measuring.options import Setting, add_sweep_options, count, machine
from measuring.results import print_table, write_results
from measuring.saved_bytes import saved_bytes
from torch import Tensor, nn
from torch.nn import functional as F


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print one row a network and value."""
    args = _parser().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    setting = Setting(torch.device(args.device), args.layout, args.dtype)
    rows: list[dict[str, Any]] = []
    for arch, size, batch in product(args.arch, args.size, args.batch_size):
        steps = {name: _Step(name, arch, batch, size, setting) for name in args.models}
        seconds = time_interleaved(steps, args.rounds)
        relative = ratios(seconds, args.models[0])
        for name, step in steps.items():
            row = {"network": name, "arch": "-" if name == "resnet50" else arch, "size": size}
            row |= {"batch": batch, "img/s": batch / Spread.of(seconds[name]).median}
            row |= {f"time / {args.models[0]}": relative[name].median}
            rows.append({**row, "saved MB/img": step.saved_bytes() / batch / 1e6})
    print(f"training step, {args.layout}, {args.dtype}, {machine(setting.device)}")
    print_table(rows)
    write_results(args.out, machine(setting.device), rows)
    if args.figure:
        draw_results(rows, ("img/s", "saved MB/img"), args.figure)
    return 0


class _Step:
    """A training step of one network."""

    def __init__(self, name: str, arch: str, batch: int, size: int, setting: Setting) -> None:
        torch.manual_seed(0)
        self.model: nn.Module = setting.place(build(name, arch)).train()
        self.images, self.setting = setting.images(batch, size), setting
        self.labels = torch.randint(0, 1000, (batch,), device=setting.device)

    def __call__(self) -> None:
        self.model.zero_grad()
        F.cross_entropy(self.forward().float(), self.labels).backward()

    def forward(self) -> Tensor:
        with self.setting.autocast():
            logits: Tensor = self.model(self.images)
        return logits

    def saved_bytes(self) -> int:
        return saved_bytes(self.model, self.forward) - self.images.untyped_storage().nbytes()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--models", nargs="+", default=["timm", "ours", "ours_plain"], choices=list(CONTESTANTS)
    )
    add_sweep_options(parser, layout="channels_last")
    parser.add_argument("--rounds", type=count, default=3)
    return parser
