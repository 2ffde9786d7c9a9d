"""Training: seconds a step of ours beside timm's TResNet and ResNet-50, interleaved in one run.

A step is forward, cross entropy, backward and an SGD update, from random weights and images. Every
round runs each network once, so that other work on the machine disturbs all alike; the ratio is
time over the first network's in the same round (below 1 is faster), with quartiles. "saved MB" is
what autograd holds for the backward pass, an image, parameters left out. "share of the peak" is the
arithmetic of the definition over what a large product of matrices reaches, "of the roofline" the
least time that this arithmetic and the traffic of each layer could take, over the time taken.

examples:
  python tools/benchmark.py train
  python tools/benchmark.py train --layouts channels_last --modes eager compiled --rounds 20
  python tools/benchmark.py train --device cuda --dtype bf16 --layouts channels_last --batch-size 256
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import torch
from measuring.contestants import build
from measuring.flops import forward_flops
from measuring.interleaved import Spread, ratios, time_interleaved
from measuring.options import Setting, add_common_options, add_interleaved_options, machine
from measuring.results import print_table, write_results
from measuring.roofline import Roofline
from measuring.saved_bytes import saved_bytes
from torch import Tensor, nn
from torch.nn import functional as F


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print one row a network, layout and mode."""
    args = _parser().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    roof = Roofline.of(device, args.dtype)
    steps: dict[str, Callable[[], object]] = {}
    facts: dict[str, dict[str, float]] = {}
    for layout in args.layouts:
        setting = Setting(device, layout, args.dtype)
        images = setting.images(args.batch_size, args.size)
        for name in args.models:
            for mode in args.modes:
                torch.manual_seed(0)
                model = setting.place(build(name, args.arch)).train()
                forward = torch.compile(model) if mode == "compiled" else model
                key = f"{name} {layout} {mode}"
                facts[key] = _facts(model, forward, images, setting, roof)
                steps[key] = _step(model, forward, images, setting)
    seconds = time_interleaved(steps, args.rounds, args.warmup)
    reference = next(iter(steps))
    relative = ratios(seconds, reference)
    rows = []
    for key, values in seconds.items():
        median = Spread.of(values).median
        rows.append(
            {
                "network, layout, mode": key,
                "img/s": args.batch_size / median,
                "ms/img": 1000 * median / args.batch_size,
                f"time / {reference}": relative[key].median,
                "quartiles": f"{relative[key].low:.3f} to {relative[key].high:.3f}",
                "saved MB/img": facts[key]["saved"],
                "share of the peak": facts[key]["flops"] / median / roof.flops,
                "of the roofline": facts[key]["least"] / median,
            }
        )
    print(f"training, {args.size} px, batch {args.batch_size}, {args.dtype}, {machine(device)}")
    print(roof)
    print_table(rows)
    write_results(args.out, machine(device), rows, [str(roof)])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_interleaved_options(parser, rounds=10)
    add_common_options(parser, batch_size=8)
    return parser


def _facts(
    model: nn.Module,
    forward: Callable[[Tensor], Tensor],
    images: Tensor,
    setting: Setting,
    roof: Roofline,
) -> dict[str, float]:
    def run() -> Tensor:
        with setting.autocast():
            return forward(images)

    run()  # a compiled network is compiled here
    saved = saved_bytes(model, run) - images.untyped_storage().nbytes()
    return {
        "saved": saved / len(images) / 1e6,
        "flops": 3 * forward_flops(model, images),  # backward costs twice the forward pass
        "least": roof.seconds(model, images, training=True),
    }


def _step(
    model: nn.Module, forward: Callable[[Tensor], Tensor], images: Tensor, setting: Setting
) -> Callable[[], None]:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    labels = torch.randint(0, 1000, (len(images),), device=images.device)

    def step() -> None:
        optimizer.zero_grad()
        with setting.autocast():
            loss = F.cross_entropy(forward(images).float(), labels)
        loss.backward()
        optimizer.step()

    return step
