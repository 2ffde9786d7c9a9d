"""Batch norm multiplied into the convolution before it, for inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .conv_abn import ConvABN

Module = TypeVar("Module", bound=nn.Module)


def fold_abn(module: Module) -> Module:
    """Fold every ``ConvABN`` in a module, in place: a convolution with a bias, and the activation.

    The network computes what it computed in evaluation, with one pass over each activation less. It
    can no longer be trained: its batch statistics are gone.

    Args:
        module: any module.

    Returns:
        ``module``, in evaluation mode.
    """
    for layer in list(module.modules()):
        if isinstance(layer, ConvABN) and layer.conv.bias is None:
            _fold(layer)
        elif hasattr(layer, "recompute"):
            layer.recompute = False  # type: ignore[assignment]  # of statistics that are gone
    return module.eval()


def fold_state_dict(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Do the same to weights: each ``X.bn.*`` goes into ``X.conv.weight`` and ``X.conv.bias``.

    Args:
        state_dict: under our names. Weights that are folded already come back as they are.
    """
    folded = dict(state_dict)
    for name in state_dict:
        place, found, _ = name.rpartition("bn.running_var")
        if found:
            norm = {
                leaf: folded.pop(f"{place}bn.{leaf}")
                for leaf in ("weight", "bias", "running_mean", "running_var")
            }
            folded.pop(f"{place}bn.num_batches_tracked", None)
            conv = f"{place}conv"
            folded[f"{conv}.weight"], folded[f"{conv}.bias"] = _product(
                folded[f"{conv}.weight"], eps=1e-5, **norm
            )
    return folded


def is_folded(state_dict: Mapping[str, Any]) -> bool:
    """Whether weights, under our names, are those of a folded network."""
    return any(name.endswith("body.conv1.conv.bias") for name in state_dict)


def _fold(layer: ConvABN) -> None:
    norm = layer.bn
    values = {name: value.detach() for name, value in norm.state_dict(keep_vars=True).items()}
    values.pop("num_batches_tracked", None)
    weight, bias = _product(layer.conv.weight.detach(), eps=norm.eps, **values)
    layer.conv.weight = nn.Parameter(weight, requires_grad=False)
    layer.conv.bias = nn.Parameter(bias, requires_grad=False)
    activation = nn.Identity() if norm.slope is None else nn.LeakyReLU(norm.slope, inplace=True)
    layer.bn = activation  # type: ignore[assignment]


def _product(
    conv: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    eps: float,
) -> tuple[Tensor, Tensor]:
    """Weight and bias of norm(conv(x)), in the dtype of the convolution."""
    scale = weight.double() / (running_var.double() + eps).sqrt()
    folded = conv.double() * scale[:, None, None, None]
    shift = bias.double() - running_mean.double() * scale
    layout = torch.channels_last if _is_channels_last(conv) else torch.contiguous_format
    return folded.to(conv.dtype).contiguous(memory_format=layout), shift.to(conv.dtype)


def _is_channels_last(conv: Tensor) -> bool:
    return conv.is_contiguous(memory_format=torch.channels_last) and not conv.is_contiguous()
