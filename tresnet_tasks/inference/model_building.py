"""From a recipe and weights to a network that predicts."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..registry import MODELS
from ..weights.files import WeightsFile
from .recipe import Recipe


def build_model(recipe: Recipe, file: WeightsFile) -> Any:
    """Build the model of a recipe and load all weights into it, strictly.

    Raises:
        ValueError: if the model cannot be built, or the weights are not exactly its own.
    """
    try:
        model: nn.Module = MODELS.build(dict(recipe.model))
    except TypeError as error:  # a missing or unknown argument
        raise ValueError(
            f"the model for {file.path} cannot be built: {error}. Pass the config that it was "
            "trained with."
        ) from error
    state = {
        f"backbone.{name}" if name.startswith("body.") else name: value
        for name, value in file.converted.state_dict.items()
    }
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
    model.load_state_dict(state)
    return model


def class_names(recipe: Recipe, model: Any) -> tuple[str, ...]:
    """Names of the classes of a built model; their ids as text where the recipe has none.

    Raises:
        ValueError: if the model is no classifier, or has another number of classes than there are
            names.
    """
    head = getattr(model, "head", None)
    count = getattr(head, "num_classes", None)
    if count is None:
        raise ValueError(
            f"Predictor got a {type(model).__name__} without a classification head; expected a "
            "Classifier."
        )
    if recipe.classes is None:
        return tuple(str(label) for label in range(count))
    if len(recipe.classes) != count:
        raise ValueError(
            f"the checkpoint names {len(recipe.classes)} classes but its head has {count}; it was "
            "not written by one training run. Pass config=."
        )
    return tuple(recipe.classes)
