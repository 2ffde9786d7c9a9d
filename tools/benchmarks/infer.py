"""Inference: images a second of ours (as Predictor runs it) beside timm's and ResNet-50, interleaved.

Every round runs each network once; the ratio is speed over the first network's in the same round
(above 1 is faster), with quartiles. `compiled` is inductor with constants frozen. "share of the peak"
and "of the roofline" are those of `train`; 3x3 convolutions by Winograd's algorithm have less
arithmetic than the definition, of which both are reckoned.

examples:
  python tools/benchmark.py infer
  python tools/benchmark.py infer --modes eager compiled --dtype bf16
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import torch
from measuring.contestants import Ours, build
from measuring.flops import forward_flops
from measuring.interleaved import Spread, ratios, time_interleaved
from measuring.options import Setting, add_common_options, add_interleaved_options, machine
from measuring.results import print_table, write_results
from measuring.roofline import Roofline
from torch import Tensor, nn

from tresnet_tasks.backbones import pack_for_cpu
from tresnet_tasks.layers import fold_abn


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print one row a network, layout and mode."""
    args = _parser().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    roof = Roofline.of(device, args.dtype)
    runs: dict[str, Callable[[], object]] = {}
    flops: dict[str, float] = {}
    least: dict[str, float] = {}
    for layout in args.layouts:
        setting = Setting(device, layout, args.dtype)
        images = setting.images(args.batch_size, args.size)
        for name in args.models:
            for mode in args.modes:
                torch.manual_seed(0)
                model = setting.place(build(name, args.arch)).eval()
                key = f"{name} {layout} {mode}"
                flops[key] = forward_flops(model, images)
                least[key] = roof.seconds(model, images, training=False)
                if isinstance(model, Ours):
                    fold_abn(model)
                    # As Predictor does it; a compiler packs by itself.
                    if mode == "eager" and args.dtype == "fp32" and device.type == "cpu":
                        pack_for_cpu(model)
                runs[key] = _run(model, images, setting, mode)
    seconds = time_interleaved(runs, args.rounds, args.warmup)
    reference = next(iter(runs))
    relative = ratios(seconds, reference)
    rows = []
    for key, values in seconds.items():
        median = Spread.of(values).median
        rows.append(
            {
                "network, layout, mode": key,
                "img/s": args.batch_size / median,
                "ms/img": 1000 * median / args.batch_size,
                f"speed / {reference}": 1 / relative[key].median,
                "quartiles": f"{1 / relative[key].high:.3f} to {1 / relative[key].low:.3f}",
                "share of the peak": flops[key] / median / roof.flops,
                "of the roofline": least[key] / median,
            }
        )
    print(f"inference, {args.size} px, batch {args.batch_size}, {args.dtype}, {machine(device)}")
    print(roof)
    print_table(rows)
    write_results(args.out, machine(device), rows, [str(roof)])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py infer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_interleaved_options(parser, rounds=20)
    add_common_options(parser, batch_size=8)
    return parser


def _run(model: nn.Module, images: Tensor, setting: Setting, mode: str) -> Callable[[], Tensor]:
    forward = torch.compile(model, options={"freezing": True}) if mode == "compiled" else model

    def run() -> Tensor:
        # Freezing wants no_grad; inference_mode would keep it from folding constants.
        with torch.no_grad(), setting.autocast():
            return forward(images)

    return run
