"""Opening a weights file of any format: torch's, safetensors, PaddlePaddle's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ..upstream.checkpoints import read_checkpoint
from .names import Converted, convert, unwrapped
from .paddle import read_pdparams

META_KEY = "tresnet_tasks"  # the entry of a safetensors header that holds our meta, as JSON

# Where the weights lie in a checkpoint, first match first. timm and the authors keep the running
# average beside the raw weights; mmengine, and so this project, swaps the two when it saves: there
# `state_dict` is the average already and `ema_state_dict` the raw weights.
_AVERAGED = ("state_dict_ema", "model_ema", "ema")
_PLAIN = ("state_dict", "model", "module", "net")
_SWAPPED = "ema_state_dict"

_TORCH_LEGACY = (
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number with which torch < 1.6 starts a file
)


@dataclass(frozen=True)
class WeightsFile:
    """What a weights file holds.

    Attributes:
        path: the file.
        converted: its tensors under our names, and the layout they had.
        container: key of the checkpoint that held them; empty for a flat file.
        classes: class names in the order of the head's outputs, or None where the file says
            nothing.
        slopes: negative slopes of stem and blocks that it was trained with, or None where the file
            says nothing.
        meta: what one of our own checkpoints says of itself, plain data; else empty.
    """

    path: Path
    converted: Converted
    container: str = ""
    classes: tuple[str, ...] | None = None
    slopes: tuple[float, float] | None = None
    meta: dict[str, Any] = field(default_factory=dict)


def read_weights(path: str | Path, *, ema: bool = True) -> WeightsFile:
    """Read a weights file, whatever wrote it; the contents decide, not the suffix.

    Args:
        path: ``.pth``, ``.safetensors`` or ``.pdparams``.
        ema: whether to take the running average where the file has both; the average is what the
            authors and timm evaluate. False takes the raw weights.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is refused, damaged, or holds no TResNet.
    """
    file = _open(path, ema)
    try:
        return replace(file, converted=convert(file.converted.state_dict))
    except ValueError as error:
        raise ValueError(f"weights file {file.path}: {error}") from error


def read_own_weights(path: str | Path, *, ema: bool = True) -> WeightsFile:
    """As ``read_weights``, for a model of ours without a TResNet: names stay as they are."""
    return _open(path, ema)


def _open(path: str | Path, ema: bool) -> WeightsFile:
    path = Path(path).expanduser()
    kind = _kind(path)
    meta: dict[str, Any] = {}
    classes = None
    container = ""
    tensors: Mapping[str, Any]
    if kind == "safetensors":
        tensors, meta = _read_safetensors(path)
    elif kind == "paddle":
        tensors = read_pdparams(path)
    else:
        checkpoint = read_checkpoint(path)
        container, tensors = _find_state_dict(checkpoint, ema)
        if isinstance(checkpoint.get("meta"), dict):
            meta = checkpoint["meta"]
        classes = _ordered_names(checkpoint.get("idx_to_class"))
    dataset_meta = meta.get("dataset_meta")
    if classes is None and isinstance(dataset_meta, Mapping):
        classes = _ordered_names(dataset_meta.get("classes"))
    converted = Converted(unwrapped(tensors), "ours")
    return WeightsFile(path, converted, container, classes, _slopes(path, meta), meta)


def _kind(path: Path) -> str:
    if not path.is_file() or path.stat().st_size == 0:
        return "torch"  # whose reader explains what is wrong
    with path.open("rb") as file:
        start = file.read(32)
    if path.suffix == ".safetensors" or start[8:10] == b'{"':
        return "safetensors"
    if start.startswith((b"PK", _TORCH_LEGACY)):
        return "torch"
    return "paddle" if path.suffix == ".pdparams" or start[:1] == b"\x80" else "torch"


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        meta = json.loads(header.get(META_KEY, "{}"))
    except (SafetensorError, ValueError) as error:
        raise ValueError(
            f"weights file {path} is damaged or no safetensors file ({error}). Was its download "
            "cut short? Fetch it again."
        ) from error
    return tensors, meta if isinstance(meta, dict) else {}


def _find_state_dict(checkpoint: Mapping[str, Any], ema: bool) -> tuple[str, Mapping[str, Any]]:
    if _holds_tensors(checkpoint):
        return "", checkpoint
    keys: tuple[str, ...] = (*_AVERAGED, *_PLAIN) if ema else (*_PLAIN, *_AVERAGED)
    if _SWAPPED in checkpoint and not ema:
        keys = (_SWAPPED, *keys)
    for key in keys:
        inner = checkpoint.get(key)
        if isinstance(inner, Mapping):
            if _holds_tensors(inner):
                return key, inner
            if any(isinstance(value, Mapping) for value in inner.values()):
                deeper, tensors = _find_state_dict(inner, ema)
                if tensors:
                    return f"{key}.{deeper}", tensors
    return "", {}


def _holds_tensors(mapping: Mapping[str, Any]) -> bool:
    return any(isinstance(value, Tensor) and "." in str(key) for key, value in mapping.items())


def _ordered_names(names: Any) -> tuple[str, ...] | None:
    """Class names from a list, or from the authors' index-to-name dict."""
    if isinstance(names, Mapping):
        try:
            return tuple(str(names[key]) for key in sorted(names, key=int))
        except (TypeError, ValueError):
            return None
    return tuple(str(name) for name in names) if isinstance(names, list | tuple) else None


def _slopes(path: Path, meta: Mapping[str, Any]) -> tuple[float, float] | None:
    declared = meta.get("slopes")
    if isinstance(declared, list | tuple) and len(declared) == 2:
        return float(declared[0]), float(declared[1])
    # The one published file with other slopes, stanford_cars_tresnet-l-v2_96_27.pth; nothing inside
    # says so.
    name = path.name.lower()
    return (1e-6, 1e-6) if "stanford_cars" in name and "tresnet" in name else None
