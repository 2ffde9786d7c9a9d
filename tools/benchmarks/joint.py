"""One model of three tasks beside three models of one: time and parameters of inference, interleaved.

A TResNet with an FCOS head, a head for 1,000 classes and one for 80 tags: jointly; each alone; the
detector by itself. The forward pass of the networks is measured, without non-maximum suppression.

examples:
  python tools/benchmark.py joint
  python tools/benchmark.py joint --batch-sizes 1 8 --rounds 30
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import torch
from measuring.interleaved import Spread, ratios, time_interleaved
from measuring.options import LAYOUTS, Setting, add_common_options, machine
from measuring.results import print_table, write_results
from mmengine.config import Config
from torch import Tensor, nn

from tresnet_tasks.config_paths import find_config
from tresnet_tasks.registry import MODELS
from tresnet_tasks.training.completion import feature_spec

CLASSES = {"cls": 1000, "tags": 80, "boxes": 80}
REFERENCE = "joint"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print one row a model and batch size."""
    args = _parser().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    setting = Setting(torch.device(args.device), args.layout, args.dtype)
    models = {
        name: setting.place(build(args.arch, heads)).eval()
        for name, heads in {
            REFERENCE: tuple(CLASSES),
            **{f"{head} alone": (head,) for head in CLASSES},
        }.items()
    }
    count = {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
    rows: list[dict[str, Any]] = []
    for batch_size in args.batch_sizes:
        images = setting.images(batch_size, args.size)
        alone = [name for name in models if name != REFERENCE]
        runs: dict[str, Callable[[], object]] = {
            name: _run(model, images, setting) for name, model in models.items()
        }
        seconds = time_interleaved(runs, args.rounds, warmup=2)
        # Added up, not run again: a model that ran twice a round would find more in the caches.
        seconds["three models"] = [
            sum(v) for v in zip(*[seconds[name] for name in alone], strict=True)
        ]
        count["three models"] = sum(count[name] for name in alone)
        relative = ratios(seconds, REFERENCE)
        rows += [
            {
                "model": name,
                "batch": batch_size,
                "ms/img": 1000 * Spread.of(values).median / batch_size,
                f"time / {REFERENCE}": relative[name].median,
                "quartiles": f"{relative[name].low:.3f} to {relative[name].high:.3f}",
                "parameters": count[name],
                f"{REFERENCE}'s share of them": count[REFERENCE] / count[name],
            }
            for name, values in seconds.items()
        ]
    print(f"{args.arch}, {args.size} px, {args.layout}, {args.dtype}, {machine(setting.device)}")
    print_table(rows)
    write_results(args.out, machine(setting.device), rows)
    return 0


def build(arch: str, heads: Sequence[str]) -> nn.Module:
    """A joint model with some of the heads, random weights."""
    config = Config.fromfile(find_config("_base_/models/tresnet_multitask")).model
    config.backbone.update(arch=arch, out_indices=(1, 2, 3) if "boxes" in heads else (3,))
    spec = feature_spec(config.backbone)
    config.heads = {name: config.heads[name] for name in heads}
    for name, head in config.heads.items():
        part = head.detector.bbox_head if name == "boxes" else head
        channels = config.neck.out_channels if name == "boxes" else spec.channels[-1]
        part.update(num_classes=CLASSES[name], in_channels=channels)
    if "tags" in heads:
        config.heads.tags.task = "multi_label"
    if "boxes" in heads:
        config.neck.in_channels = list(spec.channels)
    else:
        del config.neck
    model: nn.Module = MODELS.build(config)
    return model


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py joint",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--layout", choices=list(LAYOUTS), default="channels_last")
    parser.add_argument("--rounds", type=int, default=20)
    add_common_options(parser, batch_size=8)
    return parser


def _run(model: nn.Module, images: Tensor, setting: Setting) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode(), setting.autocast():
            return model(images)

    return run
