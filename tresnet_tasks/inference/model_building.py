"""From a recipe and weights to a network that predicts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import ConfigDict
from torch import nn

from ..heads import MultiLabel
from ..layers import fold_abn, is_folded
from ..metrics import read_thresholds, thresholds_from_data
from ..registry import MODELS
from ..weights.files import WeightsFile
from ..weights.finite import not_finite
from .recipe import Recipe


def build_model(recipe: Recipe, file: WeightsFile) -> Any:
    """Build the model of a recipe and load all weights into it, strictly.

    Raises:
        ValueError: if the model cannot be built, or the weights are not exactly its own or not
            finite.
    """
    try:
        model: nn.Module = MODELS.build(
            ConfigDict(recipe.model)
        )  # mmdet reads settings as attributes
    except TypeError as error:  # a missing or unknown argument
        raise ValueError(
            f"the model for {file.path} cannot be built: {error}. Pass the config that it was "
            "trained with."
        ) from error
    state = {
        f"backbone.{name}" if name.startswith("body.") else name: value
        for name, value in file.converted.state_dict.items()
    }
    if is_folded(state):
        fold_abn(model)
    own = model.state_dict()
    for name, value in own.items():
        # Of no use here, and lacking in many published files.
        if name.endswith(".num_batches_tracked"):
            state.setdefault(name, value)
    wrong = [
        *(f"{name} is missing" for name in own if name not in state),
        *(f"{name} has no place" for name in state if name not in own),
        *(
            f"{name} is {tuple(state[name].shape)} instead of {tuple(value.shape)}"
            for name, value in own.items()
            if name in state and state[name].shape != value.shape
        ),
    ]
    if wrong:
        raise ValueError(
            f"weights {file.path} do not fit the model: {'; '.join(wrong[:3])}"
            f"{f' and {len(wrong) - 3} more' if len(wrong) > 3 else ''}. "
            "Pass the config that they were trained with."
        )
    # oneDNN's fused ReLU makes 0 of NaN: the scores would look like any others.
    if diverged := not_finite(state):
        raise ValueError(
            f"weights {file.path} hold NaN or infinite values in {diverged}; their training diverged. "
            "Take an earlier checkpoint."
        )
    model.load_state_dict(state)
    return model


def class_names(recipe: Recipe, model: Any) -> tuple[str, ...]:
    """Names of the classes of a built model; their ids as text where the recipe has none.

    Raises:
        ValueError: if the model is no classifier, or has another number of classes than there are
            names.
    """
    count = getattr(classifying_head(model), "num_classes", None)
    if count is None:
        raise ValueError(
            f"Predictor got a {type(model).__name__} without a classification head; expected a "
            "Classifier, or a detector of classes."
        )
    if recipe.classes is None:
        return tuple(str(label) for label in range(count))
    if len(recipe.classes) != count:
        raise ValueError(
            f"the checkpoint names {len(recipe.classes)} classes but its head has {count}; it was "
            "not written by one training run. Pass config=."
        )
    return tuple(recipe.classes)


def category_ids(file: WeightsFile, number: int) -> tuple[int, ...]:
    """The ids of a detector's classes in the annotations that it was trained on; else 1 to ``number``."""
    told = file.meta.get("dataset_meta")
    ids = told.get("category_ids") if isinstance(told, Mapping) else None
    if (
        isinstance(ids, Sequence)
        and len(ids) == number
        and all(type(category) is int for category in ids)
    ):
        return tuple(ids)
    return tuple(range(1, number + 1))


def classifying_head(model: Any) -> Any:
    """The head that tells classes: a classifier's, or that of one of mmdet's detectors."""
    boxes = getattr(getattr(model, "roi_head", model), "bbox_head", None)
    if isinstance(boxes, nn.ModuleList):  # of a cascade: all alike
        boxes = boxes[-1]
    for head in (getattr(model, "head", None), boxes, getattr(model, "mask_head", None)):
        if hasattr(head, "num_classes"):
            return head
    return None


def apply_thresholds(
    head: Any,
    classes: tuple[str, ...],
    thresholds: str | os.PathLike[str] | float | None,
    stored: Any,
    where: str,
) -> None:
    """Let a model with several labels an image decide by the thresholds that the user or the checkpoint gives.

    Args:
        head: a classification head.
        classes: its classes.
        thresholds: a threshold file, one number, or None for the checkpoint's.
        stored: what the checkpoint has for this head, or None; its author is not trusted.
        where: the checkpoint, for errors.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the thresholds are of other classes, or the model has one label an image.
    """
    task = head.task
    if not isinstance(task, MultiLabel):
        if thresholds is not None:
            raise ValueError(
                f"thresholds={str(thresholds)!r} for a model with one label an image, where the "
                "class of the highest score is predicted. Leave it out."
            )
        return
    if isinstance(thresholds, float | int):
        task.set_thresholds(float(thresholds))
        return
    if thresholds is not None:
        found = read_thresholds(thresholds, classes)
    elif stored is not None:
        found = thresholds_from_data(stored, classes, where)
    else:
        return
    task.set_thresholds(found.values, found.temperature)
