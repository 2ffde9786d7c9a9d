"""Completion of mmdet's detectors: necks after our backbone, and heads inside heads."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from ..backbones import FeatureSpec
from ..registry import MODELS
from .agreement import agree
from .checks import accepted_arguments, find_kind

# Their classes are not those of the boxes: foreground alone, or stuff.
_OTHER_CLASSES = ("rpn_head", "semantic_head", "panoptic_head", "panoptic_fusion_head")
# Those that take the maps themselves.
_TAKE_MAPS = ("bbox_head", "rpn_head", "mask_head", "panoptic_head")


def complete_neck(neck: Any, spec: FeatureSpec) -> None:
    """Fill ``in_channels`` of a neck, or of the first of several, in place.

    Args:
        neck: its config, or a list of configs.
        spec: of the backbone.

    Raises:
        ValueError: if it states other channels.
    """
    first = neck[0] if isinstance(neck, list | tuple) else neck
    kind = find_kind(first["type"], MODELS)
    key = "in_channel" if _takes(kind, "in_channel") else "in_channels"
    channels: Any = list(spec.channels)
    if getattr(kind, "__name__", "") == "YOLOV3Neck":  # it alone counts from the coarsest map
        channels.reverse()
    stated = first.get(key)
    if len(channels) == 1 and (
        isinstance(stated, int) or (stated is None and _takes_one_map(kind, key))
    ):
        channels = channels[0]
    agree(first, key, channels, "neck", "the backbone returns")


def complete_heads(model: Mapping[str, Any], spec: FeatureSpec) -> None:
    """Fill ``in_channels`` of a detector's own heads from its neck, or from the backbone where it has none.

    Raises:
        ValueError: if a head states other channels.
    """
    neck = model.get("neck")
    channels: Any
    if neck is not None:
        last = neck[-1] if isinstance(neck, list | tuple) else neck
        channels, source = last.get("out_channels"), "the neck returns"
        if not isinstance(channels, int):  # several, or a default of the neck: the head must know
            return
    else:
        channels = spec.channels[0] if len(spec.channels) == 1 else list(spec.channels)
        source = "the backbone returns"
    for where in _TAKE_MAPS:
        head = model.get(where)
        if isinstance(head, dict) and _takes(find_kind(head["type"], MODELS), "in_channels"):
            agree(head, "in_channels", channels, where, source)


def complete_classes(model: Mapping[str, Any], number: int, source: str) -> None:
    """Fill ``num_classes`` of every head that tells classes, however deep.

    Args:
        model: a detector's config, changed in place.
        number: of the classes.
        source: where they come from, for the message.

    Raises:
        ValueError: if a head states another number.
    """
    if "language_model" in model:  # there the classes are the words of a text
        return
    for where, head in _heads(model):
        if head.get("num_classes") is not None or _takes(
            find_kind(head["type"], MODELS), "num_classes"
        ):
            agree(head, "num_classes", number, where, source)


def _heads(node: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every head below a detector or a head, with its place."""
    for key, value in node.items():
        if key.endswith("_head") and key not in _OTHER_CLASSES:
            several = isinstance(value, list | tuple)
            for index, head in enumerate(value if several else [value]):
                place = f"{inside}{key}[{index}]" if several else f"{inside}{key}"
                if isinstance(head, dict) and "type" in head:
                    yield place, head
                    yield from _heads(head, f"{place}.")


def _takes(kind: Any, argument: str) -> bool:
    return argument in (accepted_arguments(kind) or ())


def _takes_one_map(kind: Any, key: str) -> bool:
    """Whether a neck takes one number there: in mmdet, those that take several say so by a type."""
    parameter = inspect.signature(kind).parameters.get(key)
    return parameter is not None and parameter.annotation in (int, inspect.Parameter.empty)
