"""Options that several benchmarks have."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NamedTuple

import torch
from measuring.contestants import CONTESTANTS
from torch import Tensor, nn

from tresnet_tasks.backbones import ARCHS

LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Setting(NamedTuple):
    """Where and in what form something runs."""

    device: torch.device
    layout: str
    dtype: str

    def images(self, number: int, size: int) -> Tensor:
        """(number, 3, size, size) in [0, 1)."""
        images = torch.rand(number, 3, size, size, device=self.device)
        return images.contiguous(memory_format=LAYOUTS[self.layout])

    def place(self, model: nn.Module) -> nn.Module:
        """The model, there and in that layout."""
        return model.to(self.device).to(memory_format=LAYOUTS[self.layout])

    def autocast(self) -> torch.autocast:
        """Mixed precision in the dtype; nothing for fp32."""
        return torch.autocast(self.device.type, DTYPES[self.dtype], enabled=self.dtype != "fp32")


def add_common_options(parser: argparse.ArgumentParser, batch_size: int) -> None:
    """Declare what all of them have."""
    parser.add_argument(
        "--arch", choices=list(ARCHS), default="tresnet_m", help="variant (default: %(default)s)"
    )
    parser.add_argument(
        "--batch-size", type=count, default=batch_size, help="(default: %(default)s)"
    )
    parser.add_argument(
        "--size", type=pixels, default=224, help="pixels a side (default: %(default)s)"
    )
    _add_machine_options(parser)


def add_interleaved_options(parser: argparse.ArgumentParser, rounds: int) -> None:
    """Declare what those have that run several networks in turn."""
    default = {"help": "(default: %(default)s)"}
    parser.add_argument(
        "--models",
        nargs="+",
        default=["timm", "ours", "resnet50"],
        choices=list(CONTESTANTS),
        **default,
    )
    parser.add_argument(
        "--layouts", nargs="+", default=list(LAYOUTS), choices=list(LAYOUTS), **default
    )
    parser.add_argument(
        "--modes", nargs="+", default=["eager"], choices=["eager", "compiled"], **default
    )
    parser.add_argument("--rounds", type=count, default=rounds, **default)
    parser.add_argument(
        "--warmup", type=int, default=2, help="rounds that do not count (default: %(default)s)"
    )


def add_sweep_options(parser: argparse.ArgumentParser, layout: str) -> None:
    """Declare what those have that go through several sizes, batch sizes or depths."""
    default = "(default: %(default)s)"
    parser.add_argument(
        "--arch", nargs="+", choices=list(ARCHS), default=["tresnet_m"], help=default
    )
    parser.add_argument(
        "--size", nargs="+", type=pixels, default=[224], help=f"pixels a side {default}"
    )
    parser.add_argument("--batch-size", nargs="+", type=count, default=[8], help=default)
    parser.add_argument("--layout", choices=list(LAYOUTS), default=layout, help=default)
    parser.add_argument("--figure", type=Path, help="draw what varies to this .png file")
    _add_machine_options(parser)


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Declare where to compute."""
    parser.add_argument(
        "--device",
        type=existing_device,
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="(default: the first CUDA device, else cpu)",
    )


def _add_machine_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dtype", choices=list(DTYPES), default="fp32", help="of autocast (default: %(default)s)"
    )
    add_device_option(parser)
    parser.add_argument("--threads", type=count, help="of torch on the CPU (default: one a core)")
    parser.add_argument("--out", type=Path, help="also write the results to this .json file")


def count(text: str) -> int:
    """A number of things, at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text}; expected a whole number from 1 on")
    return int(text)


def pixels(text: str) -> int:
    """A side that TResNet takes."""
    if count(text) % 4:
        raise argparse.ArgumentTypeError(
            f"got {text}; TResNet takes multiples of 4, such as {int(text) // 4 * 4 + 4}"
        )
    return int(text)


def gigabytes(text: str) -> float:
    """An amount of memory, above zero."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"got {text}; expected a number of GB, such as 16")
    return value


def existing_device(text: str) -> str:
    """A device that there is."""
    try:
        torch.device(text)
    except RuntimeError:
        raise argparse.ArgumentTypeError(
            f"got {text}; expected a device such as cpu or cuda:0"
        ) from None
    if text.startswith("cuda") and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError(
            f"got {text}, but torch finds no CUDA device here; try cpu"
        )
    return text


def machine(device: torch.device) -> str:
    """What the figures were made on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (lines.read_text().splitlines() if lines.exists() else [])
        if line.startswith("model name")
    ]
    return f"{names[0] if names else 'CPU'}, {torch.get_num_threads()} of {os.cpu_count()} cores"
