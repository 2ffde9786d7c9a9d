"""Completion of what a classification head makes of the labels: its task, and weights of its classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..registry import DATASETS, MODELS
from .checks import accepted_arguments, find_kind, nearest

_RULES = {"inverse": 1.0, "sqrt": 0.5}


def complete_label_task(model: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]]) -> None:
    """Fill ``task`` of a classification head from the data, in place.

    Args:
        model: its config.
        datasets: the configs of all readers.

    Raises:
        ValueError: if the head expects one label an image and the data have several, or the
            batches are mixed, which needs one label an image.
    """
    head = model.get("head")
    if head is None or "task" not in (accepted_arguments(find_kind(head["type"], MODELS)) or ()):
        return
    tasks = [task for task in map(_label_task, datasets) if task is not None]
    if not tasks:
        return
    if head.get("task") is None:
        head["task"] = tasks[0]
    if "multi_label" not in tasks:
        return
    if head["task"] != "multi_label":
        raise ValueError(
            f"head has task={head['task']!r} but the data have several labels an image. Set "
            "task='multi_label', or leave it out and it is filled in."
        )
    if (model.get("data_preprocessor") or {}).get("mixes"):
        raise ValueError(
            "data_preprocessor has mixes but the data have several labels an image; MixUp and "
            "CutMix need one each. Leave mixes out."
        )


def _label_task(dataset: Mapping[str, Any]) -> str | None:
    reader = find_kind(dataset["type"], DATASETS)
    if not hasattr(reader, "label_task"):
        return None
    arguments = {key: value for key, value in dataset.items() if key != "type"}
    task: str = reader.label_task(**arguments)
    return task if task in ("single_label", "multi_label") else None


def complete_class_weights(model: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]]) -> None:
    """Put numbers in place of a rule, ``class_weight='sqrt'``, or of weights by name.

    Args:
        model: config with a ``head`` that has a ``loss``; changed in place.
        datasets: configs of the readers that training draws from.

    Raises:
        ValueError: for an unknown rule or class, or data that do not tell how often a class occurs.
    """
    losses = []
    for loss in _weighted_in_words((model.get("head") or {}).get("loss")):
        if isinstance(loss["class_weight"], Mapping):
            names: Sequence[str] = next((d["classes"] for d in datasets if d.get("classes")), [])
            loss["class_weight"] = _in_order(loss["class_weight"], names)
        else:
            losses.append(loss)
    if not losses:
        return
    held: Any = 0
    for dataset in datasets:
        reader = find_kind(dataset["type"], DATASETS)
        if not hasattr(reader, "label_counts"):
            raise ValueError(
                f"class_weight={losses[0]['class_weight']!r} needs the labels of the training "
                f"data, but {dataset['type']} does not tell them. Give one number a class."
            )
        arguments = {key: value for key, value in dataset.items() if key != "type"}
        # Reading the labels takes no images, and whether they exist is asked when training begins.
        held = held + reader(**{**arguments, "pipeline": (), "on_error": "skip"}).label_counts()[0]
    for loss in losses:
        loss["class_weight"] = class_weights(held, loss["class_weight"]).tolist()


def class_weights(held: NDArray[np.int64], rule: str) -> NDArray[np.float64]:
    """Weights of classes by how often they occur.

    Args:
        held: (C,) for how many images each class holds.
        rule: 'inverse' for 1 / held, 'sqrt' for its square root, which is milder.

    Returns:
        (C,) with mean 1; a class that never occurs has the weight of one that occurs once.

    Raises:
        ValueError: for another rule.
    """
    if rule not in _RULES:
        raise ValueError(
            f"class_weight={rule!r}; expected {' or '.join(map(repr, _RULES))}, or one number a "
            "class."
        )
    weights = np.maximum(held, 1.0) ** -_RULES[rule]
    found: NDArray[np.float64] = weights / weights.mean()
    return found


def _in_order(weights: Mapping[str, float], names: Sequence[str]) -> list[float]:
    """The weights of classes by name; 1 of those that are not named."""
    for name in weights:
        if name not in names:
            raise ValueError(f"class_weight names {name!r}. {nearest(name, names)}")
    return [float(weights.get(name, 1.0)) for name in names]


def _weighted_in_words(loss: Any) -> Iterator[Any]:
    """Every config in a loss's that has a rule, or names of classes, as ``class_weight``."""
    if isinstance(loss, Mapping):
        if isinstance(loss.get("class_weight"), str | Mapping):
            yield loss
        for key, inner in loss.items():
            if key != "class_weight":
                yield from _weighted_in_words(inner)
