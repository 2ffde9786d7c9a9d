"""The Triton kernels: their share of the bandwidth of a copy, and torch's operators beside them.

What lies between the convolutions of TResNet-M's blocks, forward and backward, as it is run in
training with TRESNET_TASKS_KERNELS=1 and without. The bytes are those of the tensors of the size of
a map that the kernels read and write; a copy reads and writes one. Before anything is timed, the
results of both are compared. CUDA graphs are timed, so that launches from Python do not count.

A CUDA device is needed. Without one, TRITON_INTERPRET=1 runs the kernels as Python on the CPU, which
compares the results and times nothing.

examples:
  python tools/benchmark.py kernels
  python tools/benchmark.py kernels --batch-size 64 --layouts nchw --dtype fp32
  TRITON_INTERPRET=1 python tools/benchmark.py kernels --batch-size 1 --sizes 7
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from measuring.interleaved import Spread, ratios, time_interleaved
from measuring.options import DTYPES, LAYOUTS, count, existing_device, machine
from measuring.results import print_table, write_results
from torch import Tensor, nn

from tresnet_tasks.kernels.availability import SWITCH
from tresnet_tasks.layers import ABN, ConvABN, SqueezeExcite
from tresnet_tasks.layers.recompute.activated import Activated, activated
from tresnet_tasks.layers.recompute.addition import Addition, addition
from tresnet_tasks.layers.recompute.fused_activated import FusedActivated
from tresnet_tasks.layers.recompute.fused_addition import FusedAddition

# Channels of the 3x3 convolutions of TResNet-M, by the size of their outputs at 224 px.
_CHANNELS = {56: 64, 28: 128, 14: 256, 7: 512}


class _Work(NamedTuple):
    """One thing to do, with kernels and with operators; ``tensors``: read or written by kernels."""

    name: str
    kernels: Callable[[], Any]
    operators: Callable[[], Any]
    tensors: float


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print one row a piece of work, size and layout."""
    args = _parser().parse_args(argv)
    device = torch.device(args.device)
    interpreted = os.environ.get("TRITON_INTERPRET", "0") == "1"
    if find_spec("triton") is None or (device.type != "cuda" and not interpreted):
        raise ValueError(
            f"the kernels need Triton and a CUDA device, got {device.type}. TRITON_INTERPRET=1 runs "
            "them on the CPU as Python, to compare results, not times."
        )
    os.environ.pop(SWITCH, None)  # here both forms are called by name
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.manual_seed(0)
    rows: list[dict[str, Any]] = []
    for layout in args.layouts:
        for size in args.sizes:
            shape = (args.batch_size, _CHANNELS[size], size, size)
            images = [
                torch.randn(shape, dtype=DTYPES[args.dtype], device=device).contiguous(
                    memory_format=LAYOUTS[layout]
                )
                for _ in range(3)
            ]
            with torch.no_grad():
                for work in _works(*images):
                    row = {"work": work.name, "size": size, "layout": layout}
                    row["largest difference"] = _apart(work)
                    timed = {} if interpreted else _timed(work, images[0], args)
                    rows.append({**row, **timed})
    print(f"batch {args.batch_size}, {args.dtype}, {machine(device)}")
    print_table(rows)
    write_results(args.out, machine(device), rows)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py kernels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--batch-size", type=count, default=256, help="(default: %(default)s)")
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        default=[56, 28],
        choices=list(_CHANNELS),
        help="pixels a side of the maps, whose channels are TResNet-M's; the smaller ones stay in "
        "the cache of a large GPU, which a bandwidth is not measured of (default: 56 28)",
    )
    parser.add_argument(
        "--layouts", nargs="+", default=["channels_last", "nchw"], choices=list(LAYOUTS)
    )
    parser.add_argument("--dtype", choices=list(DTYPES), default="bf16", help="(default: bf16)")
    parser.add_argument("--rounds", type=count, default=20, help="(default: %(default)s)")
    parser.add_argument(
        "--repeats", type=count, default=20, help="of a piece of work in a round (default: 20)"
    )
    parser.add_argument(
        "--device", type=existing_device, default="cuda" if torch.cuda.is_available() else "cpu"
    )
    parser.add_argument("--out", type=Path, help="also write the results to this .json file")
    return parser


def _works(x: Tensor, shortcut: Tensor, grad: Tensor) -> Iterator[_Work]:
    channels = x.shape[1]
    se = SqueezeExcite(channels, 64).to(x.device, x.dtype)
    for name, stride, gate in (
        ("ABN", 1, None),
        ("ABN, gate", 1, se),
        ("ABN, blur, gate", 2, se),
    ):
        step = ConvABN(channels, channels, 3, stride, slope=1e-3).to(x.device).train()
        yield from _activated_works(name, x, step, gate)
    norms = [ABN(channels).to(x.device).train() for _ in range(2)]
    yield from _addition_works("norm, gate, addition", x, shortcut, grad, se, norms[0], None)
    yield from _addition_works("norm, normed shortcut, addition", x, shortcut, grad, None, *norms)


def _activated_works(name: str, x: Tensor, step: ConvABN, se: nn.Module | None) -> Iterator[_Work]:
    part, tensors = activated(x, step, se)
    plain, fused = Activated(part.norm), FusedActivated(part.norm)
    values, fused_values = plain.forward(*tensors), fused.forward(*tensors)
    grad = torch.randn_like(values.out)
    after = values.out.numel() / x.numel()
    yield _Work(
        f"{name}, forward",
        lambda: fused.forward(*tensors).out,
        lambda: plain.forward(*tensors).out,
        1 + after + (se is not None),
    )
    yield _Work(
        f"{name}, backward",
        partial(fused.backward, grad, fused_values, *tensors),
        # It uses the gradient up: what the second run computes means nothing, its time does.
        partial(plain.backward, grad, values, *tensors),
        3 + 2 * after,
    )


def _addition_works(
    name: str,
    x: Tensor,
    shortcut: Tensor,
    grad: Tensor,
    se: nn.Module | None,
    norm: ABN,
    shortcut_norm: ABN | None,
) -> Iterator[_Work]:
    part, tensors = addition(x, norm, se, nn.Identity(), shortcut, shortcut_norm)
    assert part.norm is not None
    plain = Addition(part.norm, part.shortcut_norm)
    fused = FusedAddition(part.norm, part.shortcut_norm)
    out = plain.forward(*tensors)
    yield _Work(
        f"{name}, forward",
        partial(fused.forward, *tensors),
        partial(plain.forward, *tensors),
        3 + (se is not None),
    )
    yield _Work(
        f"{name}, backward",
        partial(fused.backward, grad, out, *tensors),
        partial(plain.backward, grad, out, *tensors),
        8 + 2 * (shortcut_norm is not None),
    )


def _apart(work: _Work) -> float:
    """Of the results, or the gradients of x: the largest difference, over the largest value."""
    found, expected = _first(work.kernels()).float(), _first(work.operators()).float()
    return ((found - expected).abs().max() / expected.abs().max()).item()


def _timed(work: _Work, x: Tensor, args: argparse.Namespace) -> dict[str, Any]:
    target = torch.empty_like(x)
    runs = {
        "kernels": _repeated(work.kernels, args.repeats),
        "operators": _repeated(work.operators, args.repeats),
        "copy": _repeated(lambda: target.copy_(x), args.repeats),
    }
    seconds = time_interleaved(runs, args.rounds)
    spent = Spread.of(seconds["kernels"]).median / args.repeats
    moved = work.tensors * x.numel() * x.element_size()
    relative = ratios(seconds, "operators")["kernels"]
    share = work.tensors / 2 / ratios(seconds, "copy")["kernels"].median
    return {
        "ms": 1e3 * spent,
        "GB/s": moved / spent / 1e9,
        "share of a copy's": share,
        "time / operators": relative.median,
        "quartiles": f"{relative.low:.3f} to {relative.high:.3f}",
    }


def _first(result: Any) -> Tensor:
    """The result, or the gradient of x, which comes first."""
    tensor: Tensor = result if isinstance(result, Tensor) else result[0]
    return tensor


def _repeated(run: Callable[[], Any], times: int) -> Callable[[], Any]:
    """A graph that does it so many times."""
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        run()  # what is compiled or chosen at the first run cannot be captured
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(times):
            run()
    return graph.replay
