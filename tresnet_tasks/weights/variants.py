"""Which TResNet a state dict belongs to, told from names and shapes alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from ..backbones import ARCHS, Arch

_BLOCK = re.compile(r"^body\.layer([1-4])\.(\d+)\.conv(\d)\.")


def recognise_arch(state_dict: Mapping[str, Tensor]) -> Arch:
    """Find the architecture that a state dict fits.

    Args:
        state_dict: under our names, see ``convert_state_dict``.

    Returns:
        One of the published ``ARCHS`` where it is one, else the numbers for
        ``TResNet(arch=dict(...))``.

    Raises:
        ValueError: if a stage is missing.
    """
    blocks: dict[int, set[int]] = {stage: set() for stage in range(1, 5)}
    kinds = dict.fromkeys(blocks, "basic")
    for name in state_dict:
        match = _BLOCK.match(name)
        if match:
            stage = int(match[1])
            blocks[stage].add(int(match[2]))
            if match[3] == "3":
                kinds[stage] = "bottleneck"
    absent = [f"body.layer{stage}" for stage, found in blocks.items() if not found]
    if absent:
        raise ValueError(f"the weights lack {', '.join(absent)}; a TResNet has four stages.")
    layers = tuple(max(found) + 1 for found in blocks.values())
    planes = state_dict["body.conv1.conv.weight"].shape[0]
    found = Arch(layers, planes / 64, tuple(kinds.values()))
    return next((arch for arch in ARCHS.values() if same_arch(arch, found)), found)


def same_arch(one: Arch, other: Arch) -> bool:
    """Whether two archs have the same parameters; different width factors can round to the same "
    "planes."""
    return (one.layers, one.blocks, one.base_planes) == (
        other.layers,
        other.blocks,
        other.base_planes,
    )


def arch_name(arch: Arch) -> str:
    """The published name of an arch, or how to write it as an argument."""
    for name, published in ARCHS.items():
        if same_arch(arch, published):
            return name
    return f"dict(layers={arch.layers}, width_factor={arch.width_factor:g}, blocks={arch.blocks})"
