"""Loading weights into a model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..backbones import Arch, TResNet
from ..layers import is_folded
from ..upstream.console import tell
from ..upstream.sharded_state import share_like
from .files import WeightsFile, read_own_weights, read_weights
from .hub import find_weights
from .report import LoadReport
from .variants import arch_name, recognise_arch, same_arch

_PREFIX = "backbone."


def load_weights(
    model: nn.Module,
    path_or_name: str | Path,
    *,
    slopes: tuple[float, float] | None = None,
    ema: bool = True,
) -> LoadReport:
    """Load published or own weights into a model.

    Args:
        model: a ``TResNet``, or a module with one as ``backbone``: a ``Classifier``, a detector. A
            model with another backbone takes its own checkpoints, and no published ones.
        path_or_name: a file in any format that ``read_weights`` knows, or a hub name such as
            ``timm/tresnet_m.miil_in21k_ft_in1k``.
        slopes: negative slopes of stem and blocks that the file was trained with, where the caller
            knows them. Almost every file has the usual (1e-2, 1e-3); the authors' Stanford Cars
            weights have (1e-6, 1e-6) and do not say so.
        ema: see ``read_weights``.

    Returns:
        What was loaded, what was left as initialised, what was ignored.

    Raises:
        FileNotFoundError: if there is neither such a file nor such a name.
        ValueError: if the file is refused or damaged, is of another variant than the model, lacks a
            parameter of the backbone or has one too many, or if ``slopes`` are not the model's. The
            model is then as it was.

    The backbone is loaded strictly (``num_batches_tracked`` may lack). A head of another size or
    kind is left as the model initialised it, and said once. Parts that only one side has are named
    in the report.
    """
    backbone, prefix = _find_backbone(model)
    path = find_weights(path_or_name)
    notes: list[str] = []
    if backbone is None:
        file = read_own_weights(path, ema=ema)
        variant = type(getattr(model, "backbone", model)).__name__
        source = file.converted.state_dict
    else:
        file = read_weights(path, ema=ema)
        if is_folded(file.converted.state_dict) and not is_folded(backbone.state_dict()):
            raise ValueError(
                f"weights {path} are fused: their batch norms are part of the convolutions, and "
                "this model has its own. Give the weights they were made from; Predictor takes both."
            )
        arch = recognise_arch(file.converted.state_dict)
        _check_variant(file, arch, backbone)
        notes += _check_slopes(file, slopes, backbone)
        variant = arch_name(arch)
        source = {
            prefix + name if name.startswith("body.") else name: value
            for name, value in file.converted.state_dict.items()
        }

    def strict(name: str) -> bool:
        return not _is_head(name) if backbone is None else name.startswith(f"{prefix}body.")

    target = model.state_dict()
    here = {name: value for name, value in target.items() if strict(name)}
    there = {name: value for name, value in source.items() if strict(name)}
    _check_strict(path, here, there)
    taken, initialised, ignored, more = _match_rest(
        path,
        {name: value for name, value in target.items() if name not in here},
        {name: value for name, value in source.items() if name not in there},
    )
    notes += more + _of_one_task(file, target)

    loaded = {**there, **taken}
    with torch.no_grad():
        for name, value in loaded.items():
            target[name].copy_(share_like(value, target[name]))
        for name in here.keys() - there.keys():  # num_batches_tracked, which some files lack
            target[name].zero_()
    for note in notes:
        tell(f"{path_or_name}: {note}", level=logging.WARNING)
    return LoadReport(
        path=path,
        name=str(path_or_name),
        layout=file.converted.layout,
        container=file.container,
        variant=variant,
        loaded=len(loaded),
        initialised=initialised,
        ignored=ignored,
        negative=file.converted.negative,
        classes=file.classes,
        notes=tuple(notes),
    )


def _find_backbone(model: nn.Module) -> tuple[TResNet | None, str]:
    if isinstance(model, TResNet):
        return model, ""
    backbone = getattr(model, "backbone", None)
    return (backbone, _PREFIX) if isinstance(backbone, TResNet) else (None, "")


def _is_head(name: str) -> bool:
    return name.split(".")[0].endswith(("head", "heads"))


def _check_variant(file: WeightsFile, arch: Arch, backbone: TResNet) -> None:
    if not same_arch(arch, backbone.arch):
        fits, has = arch_name(arch), arch_name(backbone.arch)
        wanted = f"arch={fits!r}" if not fits.startswith("dict") else f"arch={fits}"
        hint = ""
        if fits == "tresnet_v2_l" and has == "tresnet_l":
            hint = " (ImageNet21K and ML_Decoder call this network tresnet_l.)"
        elif arch.layers == (3, 8, 34, 5):
            hint = " (ML_Decoder calls this network tresnet_xl.)"
        raise ValueError(
            f"weights {file.path} fit {fits}, and the model is {has}. Build the model with "
            f"{wanted}, or choose weights for {has}.{hint}"
        )
    channels = file.converted.state_dict["body.conv1.conv.weight"].shape[1]
    if channels != backbone.in_channels * 16:  # space-to-depth by 4
        raise ValueError(
            f"weights {file.path} are for images of {channels / 16:g} channels, and the model has "
            f"in_channels={backbone.in_channels}. Build it with in_channels={channels // 16}."
        )


def _check_slopes(
    file: WeightsFile, slopes: tuple[float, float] | None, backbone: TResNet
) -> list[str]:
    """Notes about slopes: what the caller states must hold, what the file tells is a warning."""
    stem = getattr(backbone.get_submodule("body.conv1.bn"), "slope", None)
    block = getattr(backbone.get_submodule("body.layer1.0.conv1.bn"), "slope", None)
    trained = slopes or file.slopes
    if trained is None or stem is None or block is None:
        return []
    if all(abs(a - b) <= 1e-3 * a for a, b in zip(trained, (stem, block), strict=True)):
        return []
    text = (
        f"were trained with slopes=({trained[0]:g}, {trained[1]:g}), and the model has "
        f"slopes=({stem:g}, {block:g})"
    )
    fix = f"Build it with TResNet(slopes=({trained[0]:g}, {trained[1]:g}))."
    if slopes is not None:
        raise ValueError(f"weights {file.path} {text}. {fix}")
    return [f"These weights {text}: its outputs will differ from those of the authors. {fix}"]


def _check_strict(path: Path, here: Mapping[str, Tensor], there: Mapping[str, Tensor]) -> None:
    missing = [n for n in here if n not in there and not n.endswith(".num_batches_tracked")]
    surplus = [n for n in there if n not in here]
    shapes = [
        f"{n} {tuple(there[n].shape)} for {tuple(here[n].shape)}"
        for n in here
        if n in there and there[n].shape != here[n].shape
    ]
    problems = [
        f"{len(names)} {what} ({_few(names)})"
        for what, names in (
            ("missing", missing),
            ("unexpected", surplus),
            ("of another shape", shapes),
        )
        if names
    ]
    if problems:
        raise ValueError(
            f"weights {path} do not fit the model: parameters {'; '.join(problems)}. The file is "
            "incomplete or of a changed network; give one that holds the whole of this one. "
            "Nothing was loaded."
        )


def _of_one_task(file: WeightsFile, model: Mapping[str, Tensor]) -> list[str]:
    """What to do with our own checkpoint of one task where the model has several."""
    joint, single = (
        any(name.startswith("heads.") for name in names)
        for names in (model, file.converted.state_dict)
    )
    if not joint or single or "cfg" not in file.meta:
        return []
    return [
        "the file is of one task, whose head has other names in a model of several. `tresnet-tasks "
        f"convert {file.path} start.pth --join HEAD` gives it those of the head called HEAD: load "
        "start.pth in its place."
    ]


def _match_rest(
    path: Path, here: Mapping[str, Tensor], there: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...], tuple[str, ...], list[str]]:
    """Match what is no backbone, layer by layer: loaded tensors, layers as initialised, layers "
    "ignored, notes."""
    taken: dict[str, Tensor] = {}
    initialised: list[str] = []
    notes: list[str] = []
    other_kind: dict[str, list[str]] = {}
    in_file = _by_layer(there)
    for layer, names in _by_layer(here).items():
        if all(name in there and there[name].shape == here[name].shape for name in names):
            taken.update((name, there[name]) for name in names)
            continue
        initialised.append(layer)
        part = layer.split(".")[0]
        if layer in in_file:
            sizes = [
                f"{tuple(there[n].shape)} for {tuple(here[n].shape)}" for n in names if n in there
            ]
            notes.append(
                f"layer {layer} has another size in the file ({', '.join(sizes)}); it stays as "
                "initialised and needs training."
            )
        elif any(name.startswith(f"{part}.") for name in there):
            if not _is_head(layer):
                raise ValueError(
                    f"weights {path} have a part {part!r} without the layer {layer} of the model. "
                    "Give the file of a model with the same configuration. Nothing was loaded."
                )
            other_kind.setdefault(part, []).append(layer)
    for part, layers in other_kind.items():
        stay = (
            "stays as initialised and needs" if len(layers) == 1 else "stay as initialised and need"
        )
        notes.append(f"the file has another kind of {part}; {_few(layers)} {stay} training.")
    ignored = tuple(layer for layer in in_file if not any(n in taken for n in in_file[layer]))
    unused = tuple(layer for layer in ignored if layer not in initialised)
    return taken, tuple(initialised), unused, notes


def _by_layer(names: Iterable[str]) -> dict[str, list[str]]:
    layers: dict[str, list[str]] = {}
    for name in names:
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    return layers


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
