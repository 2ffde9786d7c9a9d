"""What has to be known to predict: the network, the way of an image to it, the class names."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import Tensor

from ..config_paths import find_config
from ..registry import DATASETS, MODELS
from ..upstream.checkpoints import plain_data
from ..weights.files import WeightsFile
from .trusted_config import trusted_model, trusted_pipeline

_LOADERS = ("test_dataloader", "val_dataloader")
# Data sets around data sets, such as a repeated one. One in a checkpoint might hold itself.
_MAX_WRAPPERS = 5


@dataclass(frozen=True)
class Recipe:
    """How to predict, as plain data.

    Attributes:
        model: config for ``MODELS.build``, complete.
        pipeline: configs for ``TRANSFORMS.build``.
        classes: names of the C classes, or None where nobody names them.
    """

    model: dict[str, Any]
    pipeline: list[dict[str, Any]]
    classes: tuple[str, ...] | None


def recipe_from_checkpoint(file: WeightsFile) -> Recipe:
    """Take the recipe that a checkpoint of this project carries.

    Args:
        file: the checkpoint. Its author is not trusted, see ``trusted_config``.

    Raises:
        ValueError: if it carries none, or one that is refused.
    """
    config = file.meta.get("cfg")
    if not isinstance(config, Mapping):
        found = (
            "only the text of a config, which is never run" if "cfg" in file.meta else "no config"
        )
        raise ValueError(
            f"weights {file.path} carry {found}; a checkpoint of tresnet_tasks train carries one "
            "as data. Name the config that they were trained with: "
            "config='cls/tresnet_m_imagenet' in Python, --config on the command line."
        )
    try:
        return Recipe(
            trusted_model(config.get("model")), trusted_pipeline(_pipeline(config)), file.classes
        )
    except ValueError as error:
        raise ValueError(f"checkpoint {file.path}: {error}") from error


def recipe_from_config(
    config: str | os.PathLike[str] | Config | Mapping[str, Any], file: WeightsFile
) -> Recipe:
    """Take the recipe from a config that the user names, completed from the weights.

    Args:
        config: path or name of a config, or one that is read already. It is the user's own code: it
            may import.
        file: the weights; they tell the number of classes, and their names if they can.

    Raises:
        FileNotFoundError: if there is no such config.
        ValueError: if it has no model or no pipeline, or another number of classes than the
            weights.
    """
    if isinstance(config, str | os.PathLike):
        config = Config.fromfile(find_config(Path(config)))
    tree: dict[str, Any] = plain_data(config)
    model = tree.get("model")
    if not isinstance(model, dict) or "type" not in model:
        raise ValueError(
            "the config has no model=dict(type=...); give one such as cls/tresnet_m_imagenet."
        )
    (model.get("data_preprocessor") or {}).pop("mixes", None)
    if file.slopes is not None and isinstance(model.get("backbone"), dict):
        model["backbone"].setdefault("slopes", file.slopes)
    names = file.classes or _data_classes(tree)
    pipeline = _pipeline(tree)
    if (
        "head" not in model
    ):  # a detector; the config that its training left in the work dir is complete
        return Recipe(model, pipeline, names)
    num_classes = _complete_head(model, file)
    _complete_task(model["head"], tree)
    if names is not None and len(names) != num_classes:
        names = None  # the data set of the config is not the one that these weights know
    return Recipe(model, pipeline, names)


def _pipeline(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    dataset = _dataset(config)
    for _ in range(_MAX_WRAPPERS):
        inner = dataset.get("dataset", dataset.get("datasets"))
        if "pipeline" in dataset or not isinstance(inner, Mapping):
            break
        # Of several by name, the first: its images go through the pipeline that boxes need.
        several = "type" not in inner and all(isinstance(part, Mapping) for part in inner.values())
        dataset = next(iter(inner.values())) if several and inner else inner
    pipeline = dataset.get("pipeline")
    if not pipeline:
        raise ValueError(
            "the config has neither test_dataloader nor val_dataloader with a dataset.pipeline, so "
            "it is not known how an image is prepared. Pass a config that has one with config=."
        )
    found: list[dict[str, Any]] = pipeline
    return found


def _dataset(config: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in _LOADERS:
        loader = config.get(name)
        dataset = loader.get("dataset") if isinstance(loader, Mapping) else None
        if isinstance(dataset, Mapping):
            return dataset
    return {}


def _complete_head(model: dict[str, Any], file: WeightsFile) -> int:
    """Fill in what the head lacks, from backbone and weights; returns the number of classes."""
    head = model.get("head")
    # Of a linear head, or of an ML-Decoder's.
    names = ("head.fc.weight", "head.decoder.duplicate_pooling_bias")
    found = [file.converted.state_dict.get(name) for name in names]
    tensors = [tensor for tensor in found if isinstance(tensor, Tensor) and tensor.dim() > 0]
    if not isinstance(head, dict) or not tensors:
        raise ValueError(
            f"weights {file.path} or the model of the config have no linear head (head.fc) and no "
            "ML-Decoder's (head.decoder), so they tell no classes. Use weights of a trained "
            "classifier."
        )
    in_file = len(tensors[0])
    stated = head.setdefault("num_classes", in_file)
    if stated != in_file:
        raise ValueError(
            f"the config has num_classes={stated} but weights {file.path} have {in_file} classes. "
            "Use weights that were trained with this config, or leave num_classes out."
        )
    if "in_channels" not in head:
        head["in_channels"] = _out_channels(model)
    return in_file


def _complete_task(head: dict[str, Any], config: Mapping[str, Any]) -> None:
    """One label an image or several, where the head can do both: as the data of the config have it."""
    dataset = dict(_dataset(config))
    if "task" in head or "task" not in inspect.signature(MODELS.get(head["type"])).parameters:
        return
    try:
        reader = DATASETS.get(dataset.pop("type"))
        task = reader.label_task(**dataset)
    except (KeyError, AttributeError):
        return
    if task in ("single_label", "multi_label"):
        head["task"] = task


def _out_channels(model: Mapping[str, Any]) -> int:
    neck = model.get("neck")
    if neck is not None:
        if "out_channels" not in neck:
            raise ValueError("the head has a neck before it; state in_channels of the head.")
        return int(neck["out_channels"])
    backbone = model["backbone"]
    kind = MODELS.get(backbone["type"])
    arguments = {key: backbone[key] for key in ("arch", "out_indices") if key in backbone}
    return int(kind.feature_spec(**arguments).channels[-1])


def _data_classes(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Class names that the config or its data set give; the data need not be there."""
    dataset = dict(_dataset(config))
    if dataset.get("classes"):
        return tuple(dataset["classes"])
    try:
        reader = DATASETS.get(dataset.pop("type"))
        names: Sequence[str] | None = reader.class_names(**dataset)
    except (KeyError, AttributeError, OSError, ValueError):
        return None
    return None if names is None else tuple(names)
