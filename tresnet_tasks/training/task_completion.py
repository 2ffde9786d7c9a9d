"""Completion of a model with several heads: each head's classes, task and channels from its own data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..backbones import FeatureSpec
from ..registry import DATASETS, MODELS
from .agreement import agree
from .checks import accepted_arguments, find_kind, nearest
from .detector_completion import complete_classes, complete_heads

TaskReader = tuple[str, str, dict[str, Any]]  # place, head, config of a reader


def complete_task_classes(
    loaders: Mapping[str, Mapping[str, Any]],
    heads: Mapping[str, dict[str, Any]],
    classes: Mapping[str, Sequence[str]] | None = None,
    frozen: Sequence[str] = (),
) -> None:
    """Fill class names of all readers, and classes and task of all heads, in place.

    Args:
        loaders: configs of the data loaders by name, the one for training first.
        heads: configs of the heads by name.
        classes: names that a checkpoint was trained with, by head.
        frozen: heads that do not train, and need no data for it.

    Raises:
        ValueError: for a head without data or data without a head, and for classes that differ.
    """
    names: dict[str, tuple[str, list[str]]] = {
        head: ("the weights were trained with", list(known))
        for head, known in (classes or {}).items()
    }
    tasks: dict[str, str] = {}
    for loader, node in loaders.items():
        readers = list(task_readers(f"{loader}.dataset", node["dataset"]))
        for where, head, reader in readers:
            if head not in heads:
                raise ValueError(
                    f"{where} has labels for a head called {head!r}, but the model has "
                    f"{', '.join(heads)}. {nearest(head, heads)} Rename it, add such a head, or "
                    "leave these data out."
                )
            kind = find_kind(reader["type"], DATASETS)
            arguments = {key: value for key, value in reader.items() if key != "type"}
            tasks.setdefault(head, kind.label_task(**arguments))
            if head not in names:
                found = kind.class_names(**arguments)
                if found is None:
                    # Reading the labels takes no images.
                    built = kind(**{**arguments, "pipeline": (), "on_error": "skip"})
                    found = built.metainfo["classes"]
                names[head] = (f"{where} has", list(found))
            owner, known = names[head]
            agree(reader, "classes", known, where, owner)
        if loader == "train_dataloader":
            fed = {head for _, head, _ in readers}
            starved = [head for head in heads if head not in fed and head not in frozen]
            if starved:
                raise ValueError(
                    f"no training data has labels for the head {', '.join(starved)}; there are "
                    f"such for {', '.join(sorted(fed)) or 'none'}. Add data, or leave the head out."
                )
    for head, node in heads.items():
        if head not in names:
            _check_stated(head, node)
        else:
            source = f"the data of head {head!r} has"
            _complete_head(head, node, tasks.get(head), len(names[head][1]), source)


def complete_task_channels(model: Mapping[str, Any], spec: FeatureSpec) -> None:
    """Fill ``in_channels`` of all heads from the backbone or the neck, in place.

    Args:
        model: config of a ``MultiTaskModel``.
        spec: of its backbone.

    Raises:
        ValueError: if a head states other channels.
    """
    neck = model.get("neck")
    last = neck[-1] if isinstance(neck, list | tuple) else neck
    out_channels = (last or {}).get("out_channels")
    for name, head in model["heads"].items():
        kind = find_kind(head["type"], MODELS)
        default = getattr(kind, "default_input", "backbone") if neck is not None else "backbone"
        given = (model.get("inputs") or {}).get(name, default)
        source, level = (given, None) if isinstance(given, str) else given
        if "detector" in head:
            detector = head["detector"]
            if detector.get("neck") is None and source == "neck":
                complete_heads({**detector, "neck": neck}, spec)
        elif "in_channels" in (accepted_arguments(kind) or ()):
            if source == "neck":
                if isinstance(out_channels, int):
                    agree(head, "in_channels", out_channels, f"head {name!r}", "the neck returns")
            else:
                channels = spec.channels[-1 if level is None else level]
                agree(
                    head,
                    "in_channels",
                    channels,
                    f"head {name!r}",
                    "the backbone's feature map has",
                )


def complete_task_sampler(loader: dict[str, Any]) -> None:
    """Let a data loader and its ``TaskSampler`` agree on the batch size, in place."""
    sampler = loader.get("sampler") or {}
    if not str(sampler.get("type")).endswith("TaskSampler"):
        return
    if loader.get("batch_size") is None and sampler.get("images"):
        loader["batch_size"] = sum(sampler["images"].values())
    agree(sampler, "batch_size", loader.get("batch_size"), "the sampler", "its data loader has")


def task_readers(where: str, dataset: dict[str, Any], head: str = "") -> Iterator[TaskReader]:
    """Every reader below a data set's config, with its place and the head that it feeds."""
    if "readers" in dataset:  # JointDataset
        for name, reader in dataset["readers"].items():
            yield from task_readers(f"{where}.readers.{name}", reader, name)
    elif isinstance(dataset.get("datasets"), Mapping):  # MultiTaskDataset
        for name, inner in dataset["datasets"].items():
            yield from task_readers(f"{where}.datasets.{name}", inner, name)
    elif "dataset" in dataset:  # a wrapper
        yield from task_readers(f"{where}.dataset", dataset["dataset"], head)
    else:
        if not head:
            raise ValueError(
                f"{where} is a {dataset.get('type')}, which says labels of one kind, and the model "
                "has several heads. Put it under its head's name into a JointDataset (readers=...) "
                "or a MultiTaskDataset (datasets=...)."
            )
        yield where, head, dataset


def _check_stated(name: str, head: Mapping[str, Any]) -> None:
    """Refuse a head of which neither data nor config tell the classes."""
    part = (head.get("detector") or {}).get("bbox_head") if "detector" in head else head
    if isinstance(part, Mapping) and part.get("num_classes") is None:
        raise ValueError(
            f"head {name!r} is frozen and no data has labels for it, so its number of classes is not "
            "known. Add it to the validation data, or state num_classes (and task) as it was "
            "trained with."
        )


def _complete_head(
    name: str, head: dict[str, Any], task: str | None, number: int, source: str
) -> None:
    if "detector" in head:
        if task is not None and task != "detection":
            raise ValueError(
                f"head {name!r} detects, but its data have no boxes ({task}). Use a detection reader."
            )
        complete_classes(head["detector"], number, source)
        return
    kind = find_kind(head["type"], MODELS)
    if task == "detection":
        raise ValueError(
            f"head {name!r} is a {head['type']}, but its data are boxes. Use a DetectorHead, or a "
            "reader of labels."
        )
    agree(head, "num_classes", number, f"head {name!r}", source)
    if task is not None and "task" in (accepted_arguments(kind) or ()):
        agree(head, "task", task, f"head {name!r}", f"the data of head {name!r} are")
