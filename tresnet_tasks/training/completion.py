"""Fill in what follows from something else: channels from the backbone, classes from the data."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config

from ..backbones import FeatureSpec
from ..registry import DATASETS, MODELS

_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def complete_config(cfg: Config, classes: Sequence[str] | None = None) -> Config:
    """Complete a config in place, and check what it states against what follows.

    * class names: the training data's, given to every other data set, so that label 3 is the same class everywhere;
    * ``num_classes`` of head and batch augmentations;
    * ``in_channels`` of neck and head;
    * ``seed`` of data sets and samplers.

    Args:
        cfg: the config.
        classes: names that a checkpoint was trained with; they come before the data set's own.

    Raises:
        ValueError: if a stated number or name contradicts what follows.
    """
    names = _complete_classes(cfg, classes)
    _complete_seed(cfg)
    model = cfg.get("model")
    if model is not None:
        _complete_channels(model)
        if names is not None:
            _complete_num_classes(model, names)
    return cfg


def _datasets(cfg: Config) -> Iterator[dict[str, Any]]:
    for loader in _LOADERS:
        dataset = (cfg.get(loader) or {}).get("dataset")
        if dataset is not None:
            yield dataset


def _complete_classes(cfg: Config, classes: Sequence[str] | None) -> Sequence[str] | None:
    for dataset in _datasets(cfg):
        if classes is None:
            reader = DATASETS.get(dataset["type"])
            if hasattr(reader, "class_names"):
                arguments = {key: value for key, value in dataset.items() if key != "type"}
                classes = reader.class_names(**arguments)
        if classes is not None:
            dataset.setdefault("classes", list(classes))
    return classes


def _complete_seed(cfg: Config) -> None:
    seed = (cfg.get("randomness") or {}).get("seed")
    if seed is None:
        return
    for loader in _LOADERS:
        parts = cfg.get(loader) or {}
        for part, registered in (("dataset", DATASETS), ("sampler", None)):
            node = parts.get(part)
            if node is None or node.get("seed") is not None:
                continue
            if registered is None or _takes(registered.get(node["type"]), "seed"):
                node["seed"] = seed


def _takes(kind: Any, argument: str) -> bool:
    owners = inspect.getmro(kind) if inspect.isclass(kind) else (kind,)
    return any(argument in inspect.signature(owner).parameters for owner in owners[:-1])


def _complete_channels(model: dict[str, Any]) -> None:
    spec = feature_spec(model.get("backbone"))
    if spec is None:
        return
    neck, head = model.get("neck"), model.get("head")
    if neck is not None:
        _agree(neck, "in_channels", list(spec.channels), "neck", "the backbone returns")
    elif head is not None:
        _agree(
            head, "in_channels", spec.channels[-1], "head", "the backbone's last feature map has"
        )


def feature_spec(backbone: Mapping[str, Any] | None) -> FeatureSpec | None:
    """Channels and strides of a backbone's config; None where its class does not tell them without being built."""
    if backbone is None:
        return None
    kind = MODELS.get(backbone["type"])
    if not hasattr(kind, "feature_spec"):
        return None
    wanted = inspect.signature(kind.feature_spec).parameters
    spec: FeatureSpec = kind.feature_spec(**{k: v for k, v in backbone.items() if k in wanted})
    return spec


def _complete_num_classes(model: dict[str, Any], names: Sequence[str]) -> None:
    head = model.get("head")
    if head is not None:
        _agree(head, "num_classes", len(names), "head", _described(names))
    preprocessor = model.get("data_preprocessor")
    if preprocessor is not None and preprocessor.get("mixes"):
        _agree(preprocessor, "num_classes", len(names), "data_preprocessor", _described(names))


def _described(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"the data ({shown}) has"


def _agree(node: dict[str, Any], key: str, value: Any, owner: str, source: str) -> None:
    """Set ``node[key]``, or refuse one that differs."""
    stated = node.get(key)
    if stated is None:
        node[key] = value
    elif (list(stated) if isinstance(stated, Sequence) else stated) != value:
        raise ValueError(
            f"{owner} has {key}={stated} but {source} {value}. Set {key}={value}, or leave it out and it is filled in."
        )
