"""Training memory: bytes kept for the backward pass, and the peak of a step, ours beside others.

"saved MB/img" counts the distinct storages that autograd holds between forward and backward,
parameters left out, tensors hung on an autograd function's context included. "peak MB" is that of a
whole step in a process of its own: the allocator's on CUDA, the process's on the CPU.
ours_with_cp also computes every block's forward pass twice. "largest batch" is the largest whose step
fits into so many GB (10^9 bytes), within two per cent, found by trying.

examples:
  python tools/benchmark.py memory
  python tools/benchmark.py memory --models timm ours --size 224 320 448 --figure memory.png
  python tools/benchmark.py memory --batch-size 1 2 4 8 16 --no-saved --figure batches.png
  python tools/benchmark.py memory --arch tresnet_m tresnet_l tresnet_xl --no-peak
  python tools/benchmark.py memory --largest-in 4 --models timm ours resnet50
  python tools/benchmark.py memory --largest-in 70 --device cuda --layout channels_last --dtype bf16
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product

import torch
from measuring.contestants import CONTESTANTS, build
from measuring.figure import draw_results
from measuring.largest_batch import largest_batch
from measuring.options import Setting, add_sweep_options, gigabytes, machine
from measuring.peak import peak_bytes
from measuring.results import print_table, write_results
from measuring.saved_bytes import saved_bytes
from torch import Tensor


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print one row a network, variant, size and batch size."""
    args = _parser().parse_args(argv)
    if args.no_saved and args.no_peak and not args.largest_in:
        raise ValueError("--no-saved and --no-peak leave nothing to measure but --largest-in GB.")
    if args.threads:
        torch.set_num_threads(args.threads)
    setting = Setting(torch.device(args.device), args.layout, args.dtype)
    rows = []
    for arch, size, batch, name in product(args.arch, args.size, args.batch_size, args.models):
        row = {"network": name, "arch": "-" if name == "resnet50" else arch, "size": size}
        row |= {"batch": batch, "saved MB/img": None, "peak MB": None}
        if not args.no_saved:
            row["saved MB/img"] = _saved(name, arch, batch, size, setting) / batch / 1e6
        if not args.no_peak:
            row["peak MB"] = peak_bytes(name, arch, batch, size, setting) / 1e6
        if args.largest_in:
            row["largest batch"] = largest_batch(
                lambda n, name=name, arch=arch, size=size: peak_bytes(name, arch, n, size, setting),
                int(args.largest_in * 1e9),
            )
        rows.append(row)
    print(f"training step, {args.layout}, {args.dtype}, {machine(setting.device)}")
    print_table(rows)
    write_results(args.out, machine(setting.device), rows)
    if args.figure:
        kept = ("saved MB/img", "peak MB", "largest batch")
        draw_results(rows, [name for name in kept if rows[0].get(name)], args.figure)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--models",
        nargs="+",
        default=["timm", "ours", "ours_with_cp", "resnet50"],
        choices=list(CONTESTANTS),
    )
    add_sweep_options(parser, layout="nchw")
    parser.add_argument("--no-saved", action="store_true", help="leave the saved bytes out")
    parser.add_argument("--no-peak", action="store_true", help="leave the peak out")
    parser.add_argument(
        "--largest-in",
        type=gigabytes,
        metavar="GB",
        help="also find the largest batch that trains in so much memory",
    )
    return parser


def _saved(name: str, arch: str, batch: int, size: int, setting: Setting) -> int:
    model = setting.place(build(name, arch)).train()
    images = setting.images(batch, size)

    def run() -> Tensor:
        with setting.autocast():
            logits: Tensor = model(images)
        return logits

    return saved_bytes(model, run) - images.untyped_storage().nbytes()
