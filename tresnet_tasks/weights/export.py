"""Writing weights: our checkpoints and timm's flat files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mmengine
import torch
from torch import Tensor

from .. import __version__
from ..layers import fold_state_dict, is_folded
from ..upstream.checkpoints import complete_file, plain_data, write_checkpoint
from .files import META_KEY, WeightsFile, read_weights
from .finite import not_finite
from .hub import find_weights
from .variants import arch_name, recognise_arch

FORMATS = ("ours", "timm")


def convert_weights(
    source: str | Path,
    target: str | Path,
    *,
    layout: str = "ours",
    slopes: tuple[float, float] | None = None,
    ema: bool = True,
    fuse: bool = False,
    overwrite: bool = False,
) -> str:
    """Write any readable weights file anew.

    Args:
        source: a file or a hub name, see ``load_weights``.
        target: ``.pth``, ``.pt`` or ``.safetensors``.
        layout: ``ours``: ``backbone.body.*`` and ``head.fc.*``, with class names and arch as plain
            data; ``timm``: the flat names that ``timm.create_model(...).load_state_dict`` takes
            strictly.
        slopes: negative slopes of stem and blocks that the file was trained with, kept in ``ours``
            files.
        ema: see ``read_weights``.
        fuse: whether to multiply each batch norm into its convolution. Such a file is for
            ``Predictor`` alone: it cannot be trained.
        overwrite: whether a file may lie at ``target``.

    Returns:
        A few lines that say what was read and written.

    Raises:
        FileNotFoundError: if the source is not there.
        FileExistsError: if the target is, and ``overwrite`` is not set.
        ValueError: if the source is refused, damaged or no TResNet, if the target has another
            suffix, or for fused weights in timm's layout.
    """
    target = Path(target).expanduser()
    if layout not in FORMATS:
        raise ValueError(f"format {layout!r} is unknown; expected one of {', '.join(FORMATS)}.")
    if fuse and layout == "timm":
        raise ValueError("timm has no place for fused weights; use --fuse with --format ours.")
    if target.suffix not in (".pth", ".pt", ".safetensors"):
        raise ValueError(
            f"cannot write {target}: its suffix is {target.suffix!r}; expected .pth, .pt or "
            ".safetensors."
        )
    source = find_weights(source)
    if target.exists() and target.samefile(source):
        raise ValueError(f"{target} is the input itself; give another name for the output.")
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} exists; give another name, or --overwrite to replace it.")
    file = read_weights(source, ema=ema)
    if layout == "timm" and is_folded(file.converted.state_dict):
        raise ValueError(
            f"{source} is fused, and timm has no place for fused weights; convert the file that it "
            "was made from."
        )
    variant = arch_name(recognise_arch(file.converted.state_dict))
    tensors = _complete(file.converted.state_dict)
    left_out: list[str] = []
    meta: dict[str, Any] = {}
    if layout == "timm":
        left_out = sorted(
            {n.rpartition(".")[0] for n in tensors if not n.startswith(("body.", "head.fc."))}
        )
        tensors = {n: v for n, v in tensors.items() if n.startswith(("body.", "head.fc."))}
    else:
        tensors = {f"backbone.{n}" if n.startswith("body.") else n: v for n, v in tensors.items()}
        meta = _meta(file, slopes)
    if fuse:
        tensors = fold_state_dict(tensors)
    _write(tensors, meta, target, layout)
    lines = [
        f"read {file.path}: {variant}, {file.converted.layout} layout, {len(tensors)} tensors"
        + (f", {file.converted.negative} negative ABN weights" if file.converted.negative else "")
        + (", two-layer linear head made one" if file.converted.folded_head else ""),
        f"wrote {target}: {layout} layout" + (", fused, for predicting alone" if fuse else ""),
    ]
    if diverged := not_finite(tensors):
        lines.append(f"warning: NaN or infinite values in {diverged}; the training diverged")
    if left_out:
        lines.append(f"left out, as timm has no place for it: {', '.join(left_out)}")
    if layout == "timm" and "head.fc.weight" not in tensors:
        lines.append("without a classifier: timm.create_model(..., num_classes=0) takes it")
    return "\n".join(lines)


def _complete(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With the batch counters that old files lack, for strict readers; no tensor shares memory "
    "with another."""
    complete = {}
    for name, value in tensors.items():
        complete[name] = value.detach().clone(memory_format=torch.contiguous_format)
        if name.endswith(".bn.running_var"):
            counter = name.removesuffix("running_var") + "num_batches_tracked"
            if counter not in tensors:
                complete[counter] = torch.zeros((), dtype=torch.int64)
    return complete


def _meta(file: WeightsFile, slopes: tuple[float, float] | None) -> dict[str, Any]:
    arch = recognise_arch(file.converted.state_dict)
    meta: dict[str, Any] = plain_data(file.meta)
    meta["arch"] = plain_data(dict(arch._asdict()))
    meta["variant"] = arch_name(arch)
    if slopes or file.slopes:
        meta["slopes"] = list(slopes or file.slopes or ())
    if file.classes is not None:
        meta["dataset_meta"] = {**meta.get("dataset_meta", {}), "classes": file.classes}
    meta["converted_from"] = {
        "file": file.path.name,
        "layout": file.converted.layout,
        "container": file.container,
    }
    meta.setdefault(
        "versions",
        {
            "tresnet_tasks": __version__,
            "torch": str(torch.__version__),
            "mmengine": str(mmengine.__version__),
        },
    )
    return meta


def _write(tensors: dict[str, Tensor], meta: dict[str, Any], target: Path, layout: str) -> None:
    if target.suffix != ".safetensors":
        write_checkpoint(
            {"state_dict": tensors, "meta": meta} if layout == "ours" else tensors, target
        )
        return
    from safetensors.torch import save_file

    header = {"format": "pt"}
    if meta:
        header[META_KEY] = json.dumps(meta)
    with complete_file(target) as temporary:
        save_file(tensors, temporary, header)
