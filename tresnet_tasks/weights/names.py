"""Names of parameters: from every published TResNet layout to ours, which are timm's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Wrappers that put their own name before everything: DataParallel, torch.compile, Lightning and EMA
# modules.
_WRAPPERS = re.compile(r"^(?:(?:module|model|_orig_mod|ema_model)\.)+")
# Averaging modules count their updates beside the weights.
_COUNTERS = frozenset({"steps", "n_averaged"})
# Fixed filters of the anti-aliasing; they are computed, not loaded.
_BLUR = re.compile(r"\.filt$")

# convZ.0 / convZ.1, one level deeper where a blur follows (convZ.0.0 / convZ.0.1); downsample.N.0 /
# .1
_OFFICIAL = re.compile(r"\.(conv\d+|downsample\.\d+)\.(?:0\.)?([01])\.(\w+)$")
# convZ.conv / convZ.abn.bn, one level deeper where a blur follows (convZ.0.conv); downsample.N.conv
_PADDLE = re.compile(r"\.(conv\d+|downsample\.\d+)(?:\.0)?\.(conv|abn\.bn)\.(\w+)$")
_PADDLE_LEAVES = {"_mean": "running_mean", "_variance": "running_var"}

_ABN_EPS = 1e-5


@dataclass(frozen=True)
class Converted:
    """A state dict under our names.

    Attributes:
        state_dict: ``body.*`` and ``head.fc.*``, and other parts under the names they had.
        layout: ``timm``, ``ours`` (timm's names below ``backbone.``), ``official`` or ``paddle``.
        negative: how many InPlace-ABN weights were negative and count as |w| + 1e-5.
        folded_head: whether a two-layer linear head was multiplied out into one.
    """

    state_dict: dict[str, Tensor]
    layout: str
    negative: int = 0
    folded_head: bool = False


def convert_state_dict(state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    """Rename the parameters of any published TResNet layout to ours.

    Args:
        state_dict: flat, name to tensor, in the layout of the official repositories (TResNet, ASL,
            ML_Decoder, ImageNet21K, torch-tresnet), of PaddlePaddle, of timm or of this project.
            ``module.`` prefixes are taken off; entries that are no tensors are left out.

    Returns:
        timm's names: ``body.conv1.conv.weight``, ``body.layer1.0.conv1.bn.weight``,
        ``head.fc.weight``. InPlace-ABN weights w come as |w| + 1e-5, the value they act with;
        PaddlePaddle's and timm's stay as they are.

    Raises:
        ValueError: if the names are no TResNet's.
    """
    return convert(state_dict).state_dict


def convert(state_dict: Mapping[str, Any]) -> Converted:
    """As ``convert_state_dict``, and say what was done."""
    tensors = {k: v for k, v in unwrapped(state_dict).items() if not _BLUR.search(k)}
    below_backbone = any(name.startswith("backbone.body.") for name in tensors)
    if below_backbone:
        tensors = {
            name.removeprefix("backbone.") if name.startswith("backbone.body.") else name: value
            for name, value in tensors.items()
        }
    if "body.conv1.conv.weight" in tensors and "body.conv1.abn.bn.weight" not in tensors:
        converted = Converted(tensors, "ours" if below_backbone else "timm")
    elif "body.conv1.0.weight" in tensors:
        converted = _from_official(tensors)
    elif "body.conv1.abn.bn.weight" in tensors:
        converted = _from_paddle(tensors)
    else:
        few = ", ".join(list(tensors)[:4]) or "none"
        raise ValueError(
            f"these are no TResNet weights: the first names are {few}; expected "
            "body.conv1.0.weight (official), body.conv1.conv.weight (timm, ours) or "
            "body.conv1.abn.bn.weight (PaddlePaddle) among them."
        )
    return converted


def unwrapped(state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict without the names of wrappers and without their counters."""
    tensors = {}
    for key, value in state_dict.items():
        name = _WRAPPERS.sub("", str(key)).replace("._orig_mod.", ".")
        if isinstance(value, Tensor) and name not in _COUNTERS:
            tensors[name] = value
    return tensors


def _from_official(tensors: Mapping[str, Tensor]) -> Converted:
    renamed: dict[str, Tensor] = {}
    negative = 0
    for name, value in tensors.items():
        match = _OFFICIAL.search(name)
        if match:
            place, index, leaf = match.groups()
            name = f"{name[: match.start()]}.{place}.{'bn' if index == '1' else 'conv'}.{leaf}"
            if index == "1" and leaf == "weight":
                negative += int((value < 0).sum())
                # In float32: half precision would lose the 1e-5.
                value = value.float().abs() + _ABN_EPS
        renamed[name] = value
    renamed, folded = _one_layer_head(renamed)
    return Converted(renamed, "official", negative, folded)


def _from_paddle(tensors: Mapping[str, Tensor]) -> Converted:
    renamed = {}
    for name, value in tensors.items():
        match = _PADDLE.search(name)
        if match:
            place, kind, leaf = match.groups()
            leaf = _PADDLE_LEAVES.get(leaf, leaf)
            name = f"{name[: match.start()]}.{place}.{'conv' if kind == 'conv' else 'bn'}.{leaf}"
        elif name == "head.fc.weight":
            value = value.t().contiguous()  # Paddle's Linear keeps (in, out)
        renamed[name] = value
    return Converted(renamed, "paddle")


def _one_layer_head(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """Multiply OpenImages' two linear layers, which have nothing between them, out into "
    "``head.fc``."""
    first, last = "head.fc.embedding_generator.0", "head.fc.FC"
    if f"{last}.weight" not in tensors:
        return tensors, False
    tensors = dict(tensors)
    weight = tensors.pop(f"{last}.weight")
    bias = tensors.pop(f"{last}.bias", torch.zeros(len(weight)))
    folded = f"{first}.weight" in tensors
    if folded:
        inner = tensors.pop(f"{first}.weight").double()
        inner_bias = tensors.pop(f"{first}.bias", torch.zeros(len(inner))).double()
        bias = (bias.double() + weight.double() @ inner_bias).float()
        weight = (weight.double() @ inner).float()
    tensors["head.fc.weight"], tensors["head.fc.bias"] = weight, bias
    return tensors, folded
