"""Whether images reach TResNet as it takes them: RGB in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Of the first transform: whether it gives the colours as blue, green, red.
_GIVES_BGR = {"LoadImage": False, "LoadImageFromFile": True}


def check_detector_images(model: Mapping[str, Any], datasets: Iterable[Mapping[str, Any]]) -> None:
    """Refuse settings of mmdet's preprocessor that were made for another backbone.

    Args:
        model: a config; one without mmdet's preprocessor or without TResNet passes.
        datasets: the configs of the readers.

    Raises:
        ValueError: if images would not be divided by 255 alone, or if their colours would be in the
            wrong order.
    """
    preprocessor = model.get("data_preprocessor") or {}
    if not str(preprocessor.get("type")).endswith("DetDataPreprocessor"):
        return
    if not str((model.get("backbone") or {}).get("type")).endswith("TResNet"):
        return
    mean, std = preprocessor.get("mean"), preprocessor.get("std")
    if list(mean or ()) != [0] * 3 or list(std or ()) != [255] * 3:
        raise ValueError(
            f"data_preprocessor has mean={mean} and std={std}, but TResNet takes RGB in [0, 1]. Set "
            "mean=[0.0] * 3, std=[255.0] * 3."
        )
    turned = bool(preprocessor.get("bgr_to_rgb"))
    for dataset in datasets:
        pipeline = dataset.get("pipeline") or [{}]
        first = str(pipeline[0].get("type")).rsplit(".", 1)[-1]
        if _GIVES_BGR.get(first, turned) != turned:
            order = "BGR" if _GIVES_BGR[first] else "RGB"
            raise ValueError(
                f"{first} gives {order}, but data_preprocessor has bgr_to_rgb={turned}, and TResNet "
                f"takes RGB. Set bgr_to_rgb={not turned}."
            )
