"""One model of several tasks, and models of one: weights and config from either to the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..upstream.checkpoints import plain_data, write_checkpoint
from .files import read_own_weights

_SHARED = ("backbone.", "neck.")


def split_task(source: str | Path, target: str | Path, head: str) -> str:
    """Cut the model of one task out of a joint one's checkpoint.

    Args:
        source: a checkpoint of a ``MultiTaskModel``.
        target: ``.pth`` file to write: a ``Classifier``'s or an mmdet detector's checkpoint, with
            its config and class names.
        head: name of the head to keep.

    Returns:
        One line about what was written.

    Raises:
        ValueError: if the checkpoint has no such head.
    """
    file = read_own_weights(Path(source))
    model = _model(file.meta, source)
    heads = model.get("heads") or {}
    if head not in heads:
        raise ValueError(
            f"checkpoint {source} has no head called {head!r}; it has "
            f"{', '.join(heads) or 'one task only'}. Name one of these."
        )
    single = _single_config(model, head)
    detects = "detector" in heads[head]
    own = f"heads.{head}." + ("detector." if detects else "")
    neck = single.get("neck")
    inside = "neck." if isinstance(neck, Mapping) and neck["type"] == "NeckLevel" else ""
    tensors: dict[str, Tensor] = {}
    for name, value in _full_names(file.converted.state_dict).items():
        if name.startswith(own):
            tensors[name.removeprefix(own) if detects else f"head.{name.removeprefix(own)}"] = value
        elif name.startswith("backbone."):
            tensors[name] = value
        elif neck is not None and name.startswith("neck."):
            tensors[inside + name] = value
    tasks = (file.meta.get("dataset_meta") or {}).get("tasks") or {}
    meta = {
        **plain_data(file.meta),
        "cfg": {"model": single, **_test_data(file.meta.get("cfg") or {}, head, detects)},
        "dataset_meta": plain_data(tasks.get(head, {})),
        "converted_from": {"file": Path(source).name, "head": head},
    }
    write_checkpoint({"state_dict": tensors, "meta": meta}, Path(target))
    return f"wrote {target}: {single['type']}, {len(tensors)} tensors of head {head!r} of {source}"


def join_task(source: str | Path, target: str | Path, head: str) -> str:
    """Write the weights of a model of one task under the names that a joint one has for them.

    Args:
        source: a checkpoint of a ``Classifier`` or of a detector.
        target: ``.pth`` file to write, for ``load_from`` of a ``MultiTaskModel``'s config.
        head: name of the head there.

    Returns:
        One line about what was written.
    """
    file = read_own_weights(Path(source))
    classifies = "head" in (_model(file.meta, source))
    tensors: dict[str, Tensor] = {}
    for name, value in _full_names(file.converted.state_dict).items():
        if name.startswith(_SHARED):
            tensors[name] = value
        else:
            inner = name.removeprefix("head.") if classifies else f"detector.{name}"
            tensors[f"heads.{head}.{inner}"] = value
    meta = {"converted_from": {"file": Path(source).name, "as_head": head}}
    write_checkpoint({"state_dict": tensors, "meta": meta}, Path(target))
    return f"wrote {target}: {len(tensors)} tensors of {source}, its head as {head!r}"


def _model(meta: Mapping[str, Any], source: str | Path) -> dict[str, Any]:
    model = (meta.get("cfg") or {}).get("model")
    if not isinstance(model, Mapping):
        raise ValueError(
            f"{source} carries no config of its model; give a checkpoint of tresnet_tasks train."
        )
    return dict(model)


def _full_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With ``backbone.`` before the backbone's names, as models have it."""
    return {f"backbone.{n}" if n.startswith("body.") else n: v for n, v in tensors.items()}


def _single_config(model: Mapping[str, Any], head: str) -> dict[str, Any]:
    config = dict(model["heads"][head])
    detects = "detector" in config
    neck = model.get("neck")
    default = "neck" if detects and neck is not None else "backbone"
    given = (model.get("inputs") or {}).get(head, default)
    source, level = (given, None) if isinstance(given, str) else given
    shared: dict[str, Any] = {"backbone": dict(model["backbone"])}
    if source == "neck":
        shared["neck"] = neck
        if level is not None and not detects:
            shared["neck"] = {"type": "NeckLevel", "neck": neck, "level": level}
    elif level is not None:
        indices = list(shared["backbone"].get("out_indices", (3,)))
        shared["backbone"]["out_indices"] = [indices[level]]
    if not detects:
        last = (model.get("data_preprocessor") or {}).get("channels_last", False)
        preprocessor = {"type": "Preprocessor", "channels_last": last}
        return {"type": "Classifier", **shared, "head": config, "data_preprocessor": preprocessor}
    detector = dict(config["detector"])
    own = detector.pop("neck", None)
    if own is not None:
        shared["neck"] = own if "neck" not in shared else [shared["neck"], own]
    preprocessor = {
        "type": "mmdet.DetDataPreprocessor",
        "mean": [0.0] * 3,
        "std": [255.0] * 3,
        "pad_size_divisor": 32,
    }
    return {**detector, **shared, "data_preprocessor": preprocessor}


def _test_data(cfg: Mapping[str, Any], head: str, detects: bool) -> dict[str, Any]:
    """How an image is prepared for a head: the pipeline of its data, packed for one task."""
    for name in ("test_dataloader", "val_dataloader"):
        dataset = (cfg.get(name) or {}).get("dataset")
        pipeline = _pipeline_of(dataset, head) if isinstance(dataset, Mapping) else None
        if pipeline:
            pack = "PackDetSample" if detects else "PackClsInputs"
            steps = [
                {"type": pack} if str(step.get("type")).endswith("PackTasks") else step
                for step in plain_data(pipeline)
            ]
            return {name: {"dataset": {"pipeline": steps}}}
    return {}


def _pipeline_of(dataset: Mapping[str, Any], head: str) -> list[Any] | None:
    inner = dataset.get("datasets")
    if isinstance(inner, Mapping):
        found = [
            _pipeline_of(part, head) for name, part in inner.items() if _feeds(name, part, head)
        ]
        return next(iter(found), None)
    return dataset.get("pipeline")


def _feeds(name: str, dataset: Mapping[str, Any], head: str) -> bool:
    return head in dataset["readers"] if "readers" in dataset else name == head
