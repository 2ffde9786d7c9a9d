"""Lower learning rates for earlier layers, for fine-tuning."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from ..registry import OPTIM_WRAPPER_CONSTRUCTORS
from ..upstream.console import tell
from .checks import nearest

_BLOCK = re.compile(r"\.layer(\d+)\.(\d+)\.")
_OURS = {"decay_rate", "decay_type"}
_THEIRS = {
    *("bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "flat_decay_mult"),
    *("dwconv_decay_mult", "dcn_offset_lr_mult", "bypass_duplicate", "custom_keys"),
}


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayConstructor(DefaultOptimWrapperConstructor):
    """Multiplies the rate of a layer by ``decay_rate`` to the power of its distance from the head.

    ``optim_wrapper = dict(constructor='LayerDecayConstructor', paramwise_cfg=dict(decay_rate=0.7))``
    beside what the config has; the arguments are named as those of mmdet's constructor for ConvNeXt.
    What lies outside the backbone (neck and heads) trains at the full rate, the layer next to it at
    ``decay_rate`` times that, and the stem at the lowest. Schedules keep the proportions. Everything
    else in ``paramwise_cfg``, such as ``flat_decay_mult=0.0`` (no weight decay on biases and norms),
    means what it means to mmengine, whose rates are multiplied.

    Parameters of the same layer and settings make one group, which has ``layer``, its name. A table
    of the layers is logged.

    Args:
        optim_wrapper_cfg: as in mmengine.
        paramwise_cfg: as in mmengine, and

            * ``decay_rate``: in (0, 1].
            * ``decay_type``: what a layer is: ``'stage_wise'`` (the default: the stem and stages
              ``layer1`` to ``layer4``) or ``'layer_wise'``, every residual block.

    Raises:
        ValueError: for an unknown or missing setting, or a model whose backbone has no stages of
            the names ``layer1``, ``layer2``, ...
    """

    def __init__(
        self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        settings = dict(paramwise_cfg or {})
        unknown = sorted(set(settings) - _OURS - _THEIRS)
        if unknown:
            raise ValueError(
                f"paramwise_cfg has no argument {unknown[0]!r}. {nearest(unknown[0], _OURS | _THEIRS)}"
            )
        self.decay_rate = settings.pop("decay_rate", None)
        self.decay_type = settings.pop("decay_type", "stage_wise")
        if not isinstance(self.decay_rate, int | float) or not 0 < self.decay_rate <= 1:
            raise ValueError(
                f"LayerDecayConstructor got paramwise_cfg.decay_rate={self.decay_rate!r}; expected "
                "a number above 0 and up to 1, such as 0.7"
            )
        if self.decay_type not in ("stage_wise", "layer_wise"):
            raise ValueError(
                f"LayerDecayConstructor got paramwise_cfg.decay_type={self.decay_type!r}; expected "
                "'stage_wise' or 'layer_wise'"
            )
        super().__init__(optim_wrapper_cfg, settings)
        if self.base_lr is None:
            raise ValueError("LayerDecayConstructor needs optim_wrapper.optimizer.lr; state it.")
        # mmengine makes one group of everything where there is nothing to tell apart.
        self.paramwise_cfg.setdefault("custom_keys", {})

    def add_params(
        self,
        params: list[dict[str, Any]],
        module: nn.Module,
        prefix: str = "",
        is_dcn_module: int | float | None = None,
    ) -> None:
        """Add the groups of a model, or within the recursion those of a part of it."""
        if prefix:
            super().add_params(params, module, prefix, is_dcn_module)
            return
        single: list[dict[str, Any]] = []  # mmengine's: one for each parameter
        super().add_params(single, module, prefix, is_dcn_module)
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        layers = self._layers(list(names.values()))
        groups: dict[tuple[Any, ...], dict[str, Any]] = {}
        for group in single:
            (parameter,) = group.pop("params")
            layer, distance = layers[names[id(parameter)]]
            group["lr"] = group.get("lr", self.base_lr) * self.decay_rate**distance
            same = (-distance, *sorted((key, repr(value)) for key, value in group.items()))
            merged = groups.setdefault(same, {**group, "layer": layer, "params": []})
            merged["params"].append(parameter)
        params += [groups[same] for same in sorted(groups)]
        tell(self._table(params))

    def _layers(self, names: Sequence[str]) -> dict[str, tuple[str, int]]:
        """For each parameter its layer's name, and how many layers lie between it and the output."""
        places = {name: tuple(map(int, found)) for name, found in _stages(names)}
        if not places:
            raise ValueError(
                "LayerDecayConstructor found no stages layer1, layer2, ... in model.backbone; "
                "expected a TResNet or a ResNet of torchvision. Leave constructor and decay_rate out."
            )
        if self.decay_type == "stage_wise":
            places = {name: place[:1] for name, place in places.items()}
        order = sorted(set(places.values()))
        words = ["stage {}", "stage {}, block {}"]
        found: dict[str, tuple[str, int]] = {}
        for name in names:
            if name in places:
                place = places[name]
                shown = words[len(place) - 1].format(place[0], *(n + 1 for n in place[1:]))
                found[name] = shown, len(order) - order.index(place)
            elif name.startswith("backbone."):
                found[name] = "stem", len(order) + 1
            else:
                found[name] = "head", 0
        return found

    def _table(self, groups: Sequence[dict[str, Any]]) -> str:
        layers: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for group in groups:
            layers[group["layer"]].append(group)
        lines = [f"learning rates, {self.decay_type}, decay_rate {self.decay_rate:g}:"]
        lines.append(f"  {'layer':<18}{'parameters':>12}  {'lr':<12}weight decay")
        for layer, parts in layers.items():
            number = sum(p.numel() for part in parts for p in part["params"])
            rates = ", ".join(f"{lr:.3g}" for lr in dict.fromkeys(part["lr"] for part in parts))
            decays = {float(part.get("weight_decay", self.base_wd) or 0.0) for part in parts}
            shown = " and ".join(f"{decay:g}" for decay in sorted(decays, reverse=True))
            lines.append(f"  {layer:<18}{number:>12,}  {rates:<12}{shown}")
        return "\n".join(lines)


def _stages(names: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in names:
        found = _BLOCK.search(name) if name.startswith("backbone.") else None
        if found is not None:
            yield name, found.groups()
