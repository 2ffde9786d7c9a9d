"""One model of several tasks, and models of one: weights and config from either to the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..upstream.checkpoints import plain_data, write_checkpoint
from .files import read_own_weights


def split_task(source: str | Path, target: str | Path, head: str) -> str:
    """Cut the model of one task out of a joint one's checkpoint.

    Args:
        source: a checkpoint of a ``MultiTaskModel``.
        target: ``.pth`` file to write: a ``Classifier``'s or an mmdet detector's checkpoint, with
            its config, class names and thresholds.
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
    detects = "detector" in heads[head]
    single, shared_neck, own_neck = _single_config(model, head)
    own = f"heads.{head}."
    places = {own: "head.", "backbone.": "backbone."}
    if detects:
        places = {f"{own}detector.neck.": own_neck, f"{own}detector.": "", "backbone.": "backbone."}
    if shared_neck:
        places["neck."] = shared_neck
    tensors = _renamed(file.converted.state_dict, places)
    meta: dict[str, Any] = plain_data(file.meta)
    meta["cfg"] = {"model": single, **_test_data(file.meta.get("cfg") or {}, head, detects)}
    meta["dataset_meta"] = plain_data(_of_head(meta.get("dataset_meta"), head) or {})
    meta["converted_from"] = {"file": Path(source).name, "head": head}
    thresholds = _of_head(meta.pop("thresholds", None), head)
    if thresholds is not None:
        meta["thresholds"] = thresholds
    write_checkpoint({"state_dict": tensors, "meta": meta}, Path(target))
    return f"wrote {target}: {single['type']}, {len(tensors)} tensors of head {head!r} of {source}"


def join_tasks(sources: Mapping[str, str | Path], target: str | Path) -> str:
    """Write the weights of models of one task under the names that a joint one has for them.

    Args:
        sources: a checkpoint of a ``Classifier`` or of a detector for each head, by the name that it
            has in the joint model. The first gives the backbone; the neck comes from the first that
            has one, and a detector with another neck keeps it as its own.
        target: ``.pth`` file to write, for ``load_from`` of a ``MultiTaskModel``'s config.

    Returns:
        A line about what was written, and one for each backbone or neck that was another.

    Raises:
        ValueError: if a file carries no config of its model, or is a joint one.
    """
    tensors: dict[str, Tensor] = {}
    owners: dict[str, str] = {}  # of backbone and neck
    tasks: dict[str, dict[str, Any]] = {"dataset_meta": {}, "thresholds": {}}
    told = []
    for head, source in sources.items():
        file = read_own_weights(Path(source))
        model = _model(file.meta, source)
        if "heads" in model:
            raise ValueError(
                f"checkpoint {source} is of several tasks ({', '.join(model['heads'])}); give those "
                "of one task each. A joint checkpoint is loaded as it is: load_from."
            )
        found = _renamed(file.converted.state_dict, _joint_places(model, head))
        for part in ("backbone.", "neck."):
            mine = {name: found.pop(name) for name in list(found) if name.startswith(part)}
            if mine and owners.setdefault(part, head) == head:
                tensors |= mine
            elif mine and not _same(mine, {n: v for n, v in tensors.items() if n.startswith(part)}):
                other = f"{part}* of {source} is not that of {sources[owners[part]]}"
                if part == "neck." and isinstance(model["neck"], Mapping) and "head" not in model:
                    found |= {f"heads.{head}.detector.{n}": v for n, v in mine.items()}
                    told.append(
                        f"{other} and was kept as head {head!r}'s own: it is for "
                        f"heads=dict({head}=dict(detector=dict(neck=...)))"
                    )
                    continue
                told.append(
                    f"{other} and was left out: head {head!r} was made for another and needs "
                    "training"
                )
        tensors |= found
        for key, kept in tasks.items():
            if file.meta.get(key):
                kept[head] = plain_data(file.meta[key])
    meta: dict[str, Any] = {key: {"tasks": kept} for key, kept in tasks.items() if kept}
    names = {head: Path(source).name for head, source in sources.items()}
    meta["converted_from"] = {"files": names}
    write_checkpoint({"state_dict": tensors, "meta": meta}, Path(target))
    first = f"wrote {target}: {len(tensors)} tensors, " + ", ".join(
        f"{source} as head {head!r}" for head, source in sources.items()
    )
    return "\n".join([first, *told])


def _renamed(state: Mapping[str, Tensor], places: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors whose names begin as ``places`` says, the first that fits, under other names."""
    found = {}
    for name, value in _full_names(state).items():
        before = next((prefix for prefix in places if name.startswith(prefix)), None)
        if before is not None:
            found[places[before] + name.removeprefix(before)] = value
    return found


def _joint_places(model: Mapping[str, Any], head: str) -> dict[str, str]:
    """Where a joint model has what a model of one task has; the reverse of ``split_task``."""
    own, neck = f"heads.{head}.", model.get("neck")
    places = {"backbone.": "backbone."}
    if isinstance(neck, list | tuple):  # a shared one, and the head's own behind it
        places |= {"neck.0.": "neck.", "neck.1.": f"{own}detector.neck."}
    elif isinstance(neck, Mapping) and neck["type"] == "NeckLevel":
        places["neck.neck."] = "neck."
    else:
        places["neck."] = "neck."
    return {**places, **({"head.": own} if "head" in model else {"": f"{own}detector."})}


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def _of_head(stored: Any, head: str) -> Any:
    tasks = stored.get("tasks") if isinstance(stored, Mapping) else None
    return tasks.get(head) if isinstance(tasks, Mapping) else None


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


def _single_config(model: Mapping[str, Any], head: str) -> tuple[dict[str, Any], str, str]:
    """The config of a head's own model, and what names of the shared neck and of the head's own
    begin with there; '' for a neck that it has not."""
    config = dict(model["heads"][head])
    detects = "detector" in config
    neck = model.get("neck")
    default = "neck" if detects and neck is not None else "backbone"
    given = (model.get("inputs") or {}).get(head, default)
    source, level = (given, None) if isinstance(given, str) else given
    parts: dict[str, Any] = {"backbone": dict(model["backbone"])}
    shared_prefix = ""
    if source == "neck":
        parts["neck"] = (
            neck if level is None else {"type": "NeckLevel", "neck": neck, "level": level}
        )
        shared_prefix = "neck." if level is None else "neck.neck."
    elif level is not None:
        indices = list(parts["backbone"].get("out_indices", (3,)))
        parts["backbone"]["out_indices"] = [indices[level]]
    if not detects:
        last = (model.get("data_preprocessor") or {}).get("channels_last", False)
        preprocessor = {"type": "Preprocessor", "channels_last": last}
        single = {"type": "Classifier", **parts, "head": config, "data_preprocessor": preprocessor}
        return single, shared_prefix, ""
    detector = dict(config["detector"])
    own, own_prefix = detector.pop("neck", None), ""
    if own is not None and shared_prefix:
        parts["neck"], own_prefix = [parts["neck"], own], "neck.1."
        shared_prefix = shared_prefix.replace("neck.", "neck.0.", 1)
    elif own is not None:
        parts["neck"], own_prefix = own, "neck."
    preprocessor = {
        "type": "mmdet.DetDataPreprocessor",
        "mean": [0.0] * 3,
        "std": [255.0] * 3,
        "pad_size_divisor": 32,
    }
    return {**detector, **parts, "data_preprocessor": preprocessor}, shared_prefix, own_prefix


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
