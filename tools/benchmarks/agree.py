"""Agreement: the memory path beside the plain one, in outputs, gradients, and over many steps.

One step tells the largest relative difference over all parameters, of the gradients and after an
SGD update: about 1e-13 in float64. With --norms random the float32 gradients of this deep network
are a few per cent from those in float64, on either path. More steps tell both losses on the way, on
random images that are learnt by heart.

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
from measuring.options import Setting, machine
from torch import Tensor, nn
from torch.nn import functional as F


def main(argv: Sequence[str] | None = None) -> int:
    """Train both side by side and print how far they are apart."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py agree",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--arch", default="tresnet_m")
    parser.add_argument("--dtype", choices=["fp64", "fp32", "bf16", "fp16"], default="fp32")
    parser.add_argument("--layout", choices=["nchw", "channels_last"], default="nchw")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--size", type=int, default=96, help="pixels a side")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument(
        "--norms",
        choices=["initial", "random"],
        default="initial",
        help="initial: the last of each block 0, as training starts; random: so that every parameter "
        "has a gradient, and float32 a hard time (default: %(default)s)",
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args(argv)
    double = args.dtype == "fp64"
    setting = Setting(torch.device(args.device), args.layout, "fp32" if double else args.dtype)
    models = {
        name: _model(name, args.arch, setting, double, args.norms == "random")
        for name in ("ours_plain", "ours")
    }
    images = setting.images(args.batch_size, args.size)
    images = images.double() if double else images
    labels = torch.arange(args.batch_size, device=images.device)
    optimizers = {
        name: torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
        for name, model in models.items()
    }
    print(
        f"{args.arch}, {args.size} px, batch {args.batch_size}, {args.dtype}, {machine(setting.device)}"
    )
    for step in range(args.steps):
        losses = {}
        for name, model in models.items():
            optimizers[name].zero_grad()
            with setting.autocast():
                logits = model(images)
            loss = F.cross_entropy(logits if double else logits.float(), labels)
            loss.backward()
            losses[name] = loss.item()
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
        if step % max(args.steps // 20, 1) == 0 or step == args.steps - 1:
            print(
                f"step {step + 1}: loss plain {losses['ours_plain']:.6f}, memory {losses['ours']:.6f}"
            )
    return 0


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
