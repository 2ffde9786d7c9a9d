"""Agreement: the memory path beside the plain one, in outputs, gradients, and over many steps.

One step tells the largest relative difference over all parameters, of the gradients and after an
SGD update: about 1e-13 in float64. With --norms random the float32 gradients of this deep network
are a few per cent from those in float64, on either path, and updated parameters up to one per cent.
More steps tell both losses on the way, as means over a twentieth of the steps. Each step has new
images, gratings in noise, to be told apart by their direction.

examples:
  python tools/benchmark.py agree --dtype fp64 --norms random
  python tools/benchmark.py agree
  python tools/benchmark.py agree --dtype bf16 --steps 200 --size 64 --batch-size 16
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from measuring.contestants import build
from measuring.options import LAYOUTS, Setting, add_device_option, count, machine, pixels
from torch import Tensor, nn
from torch.nn import functional as F

from tresnet_tasks.backbones import ARCHS

_DIRECTIONS = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Train both side by side and print how far they are apart."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py agree",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = "(default: %(default)s)"
    parser.add_argument("--arch", choices=list(ARCHS), default="tresnet_m", help=default)
    parser.add_argument(
        "--dtype", choices=["fp64", "fp32", "bf16", "fp16"], default="fp32", help=default
    )
    parser.add_argument("--layout", choices=list(LAYOUTS), default="nchw", help=default)
    parser.add_argument("--steps", type=count, default=1, help=default)
    parser.add_argument("--size", type=pixels, default=96, help=f"pixels a side {default}")
    parser.add_argument("--batch-size", type=count, default=4, help=default)
    parser.add_argument(
        "--norms",
        choices=["initial", "random"],
        default="initial",
        help="initial: the last of each block 0, as training starts; random: so that every parameter "
        "has a gradient, and float32 a hard time (default: %(default)s)",
    )
    add_device_option(parser)
    args = parser.parse_args(argv)
    double = args.dtype == "fp64"
    setting = Setting(torch.device(args.device), args.layout, "fp32" if double else args.dtype)
    models = {
        name: _model(name, args.arch, setting, double, args.norms == "random")
        for name in ("ours_plain", "ours")
    }
    optimizers = {
        name: torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
        for name, model in models.items()
    }
    print(
        f"{args.arch}, {args.size} px, batch {args.batch_size}, {args.dtype}, {machine(setting.device)}"
    )
    every = max(args.steps // 20, 1)
    losses: dict[str, list[float]] = {name: [] for name in models}
    for step in range(args.steps):
        images, labels = _gratings(args.batch_size, args.size, seed=step)
        images = images.to(setting.device, torch.float64 if double else torch.float32)
        images = images.contiguous(memory_format=LAYOUTS[setting.layout])
        labels = labels.to(setting.device)
        for name, model in models.items():
            optimizers[name].zero_grad()
            with setting.autocast():
                logits = model(images)
            loss = F.cross_entropy(logits if double else logits.float(), labels)
            loss.backward()
            losses[name].append(loss.item())
        if step == 0:
            _tell(
                "gradients",
                *({n: p.grad for n, p in m.named_parameters()} for m in models.values()),
            )
        for optimizer in optimizers.values():
            optimizer.step()
        if step == 0:
            _tell("parameters", *(dict(model.named_parameters()) for model in models.values()))
            _tell("statistics", *(dict(model.named_buffers()) for model in models.values()))
        if (step + 1) % every == 0 or step + 1 == args.steps:
            plain, memory = (sum(values[-every:]) / every for values in losses.values())
            since = f"steps {step + 2 - every} to" if every > 1 else "step"
            print(f"{since} {step + 1}: loss plain {plain:.6f}, memory {memory:.6f}")
    return 0


def _gratings(number: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Waves in eight directions, of any phase, length and colour, in noise; and which they are.

    Returns:
        (number, 3, size, size) in [0, 1], and (number,) from 0 to 7.
    """
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(_DIRECTIONS, (number,), generator=draw)
    phase, length = torch.rand(2, number, 1, 1, 1, generator=draw)
    colour = torch.rand(number, 3, 1, 1, generator=draw) * 0.15
    angle = (labels * (torch.pi / _DIRECTIONS)).view(-1, 1, 1, 1)
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    along = rows * angle.sin() + columns * angle.cos()
    waves = torch.sin(2 * torch.pi * (along / (4 + 12 * length) + phase))
    noise = torch.rand(number, 3, size, size, generator=draw)
    return (0.5 + colour * waves + 0.7 * (noise - 0.5)).clamp(0, 1), labels


def _model(name: str, arch: str, setting: Setting, double: bool, random: bool) -> nn.Module:
    torch.manual_seed(0)
    model = build(name, arch)
    for module in model.modules():
        if random and isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return setting.place(model.double() if double else model).train()


def _tell(what: str, plain: dict[str, Tensor], memory: dict[str, Tensor]) -> None:
    apart = {
        name: ((memory[name] - value).norm() / value.norm().clamp(min=1e-30)).item()
        for name, value in plain.items()
        if value.is_floating_point()
    }
    worst = max(apart, key=lambda name: apart[name])
    print(f"{what}: at most {apart[worst]:.2e} relative ({worst}), of {len(apart)}")
