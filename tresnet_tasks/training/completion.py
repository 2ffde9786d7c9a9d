"""Fill in what follows from something else: channels from the backbone, classes from the data."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config

from ..backbones import FeatureSpec
from ..registry import DATASETS, MODELS
from .agreement import agree
from .checks import accepted_arguments, find_kind
from .detector_completion import complete_classes, complete_heads, complete_neck
from .image_checks import check_detector_images
from .label_completion import complete_class_weights, complete_label_task
from .task_completion import complete_task_channels, complete_task_classes, complete_task_sampler

_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def complete_config(
    cfg: Config, classes: Sequence[str] | Mapping[str, Sequence[str]] | None = None
) -> Config:
    """Complete a config in place, and check what it states against what follows.

    * class names: the training data's, given to every other data set, so that label 3 is the same class everywhere;
    * ``num_classes`` of head and batch augmentations;
    * ``task`` of the head; ``class_weight`` of losses that name a rule, such as 'sqrt';
    * ``in_channels`` of neck and head;
    * ``predict_loss`` of a model that ``ValidationLoss`` evaluates;
    * ``seed`` of data sets and samplers.

    Args:
        cfg: the config.
        classes: names that a checkpoint was trained with, by head where there are several; they come before the
            data set's own.

    Raises:
        ValueError: if a stated number or name contradicts what follows.
    """
    model = cfg.get("model")
    joint = model is not None and model.get("heads") is not None
    if classes is not None and joint != isinstance(classes, Mapping):
        kinds = ("a model with several heads", "a model of one task")
        raise ValueError(
            f"the config is of {kinds[not joint]}, but the checkpoint of {kinds[joint]} with the "
            f"{'classes' if joint else 'heads'} {', '.join(list(classes)[:5])}. Name the config that it was trained "
            "with, or see `convert --split` and `--join`."
        )
    if joint:
        return _complete_tasks(cfg, classes)  # type: ignore[arg-type]
    names = _complete_classes(cfg, classes)  # type: ignore[arg-type]
    _complete_seed(cfg)
    for name in _LOADERS:
        complete_task_sampler(cfg.get(name) or {})
    if model is not None:
        check_detector_images(model, (dataset for _, dataset in _datasets(cfg)))
        _complete_channels(model)
        if names is not None:
            _complete_num_classes(model, names, "the data" if classes is None else "the checkpoint")
        complete_label_task(model, [dataset for _, dataset in _datasets(cfg)])
        training = (cfg.get("train_dataloader") or {}).get("dataset")
        if training is not None:
            readers = [reader for _, reader in _readers("", training)]
            complete_class_weights(model, [r for r in readers if not _is_unlabelled(r)])
        if model.get("type") == "Classifier" and _asks_for_loss(cfg):
            agree(model, "predict_loss", True, "model", "the evaluator's ValidationLoss has")
    return cfg


def _complete_tasks(cfg: Config, classes: Mapping[str, Sequence[str]] | None) -> Config:
    """The same for a model with several heads."""
    loaders = {name: cfg[name] for name in _LOADERS if cfg.get(name) is not None}
    complete_task_classes(loaders, cfg.model.heads, classes, cfg.model.get("frozen") or ())
    spec = feature_spec(cfg.model.get("backbone"))
    if spec is not None:
        if cfg.model.get("neck") is not None:
            complete_neck(cfg.model.neck, spec)
        complete_task_channels(cfg.model, spec)
    for loader in loaders.values():
        complete_task_sampler(loader)
    if _asks_for_loss(cfg):
        agree(cfg.model, "predict_loss", True, "model", "the evaluator's ValidationLoss has")
    _complete_seed(cfg)
    return cfg


def _datasets(cfg: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every data set that reads something, with its place; a wrapper (RepeatDataset, ...) gives those inside it."""
    for loader in _LOADERS:
        dataset = (cfg.get(loader) or {}).get("dataset")
        if dataset is not None:
            yield from _readers(f"{loader}.dataset", dataset)


def _readers(where: str, dataset: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    inner = dataset.get("dataset", dataset.get("datasets"))
    if inner is None:
        yield where, dataset
    elif isinstance(inner, Mapping) and "type" in inner:
        yield from _readers(f"{where}.dataset", inner)  # type: ignore[arg-type]
    elif isinstance(inner, Mapping):  # by name
        for name, part in inner.items():
            yield from _readers(f"{where}.datasets.{name}", part)
    else:
        for index, part in enumerate(inner):
            yield from _readers(f"{where}.datasets[{index}]", part)


def _complete_classes(cfg: Config, classes: Sequence[str] | None) -> Sequence[str] | None:
    owner = "the weights were trained with"
    # Of unlabelled images no reader knows the classes.
    for where, dataset in sorted(_datasets(cfg), key=lambda item: _is_unlabelled(item[1])):
        reader = find_kind(dataset["type"], DATASETS)
        if not hasattr(reader, "class_names"):
            continue
        stated = dataset.get("classes")
        if classes is None:
            arguments = {key: value for key, value in dataset.items() if key != "type"}
            classes = reader.class_names(**arguments)
            if classes is None:
                classes = _numbered(cfg, reader, arguments)
            owner = f"{where} has"
        if stated is None:
            dataset["classes"] = list(classes)
        elif list(stated) != list(classes):
            raise ValueError(
                f"{where} has the classes {_shown(stated)} but {owner} {_shown(classes)}. A label must mean the same "
                "everywhere: leave classes out here and they are filled in, or state the same ones in the same order."
            )
    return classes


def _is_unlabelled(dataset: Mapping[str, Any]) -> bool:
    return getattr(find_kind(dataset["type"], DATASETS), "task", None) == "unlabelled"


def _numbered(cfg: Config, reader: Any, arguments: dict[str, Any]) -> tuple[str, ...]:
    """Names '0', '1', ... for a source without names: as many as the head states, or as there are labels."""
    number = ((cfg.get("model") or {}).get("head") or {}).get("num_classes")
    if number is None and getattr(reader, "task", None) == "unlabelled":
        raise ValueError(
            "the config has no labelled images, from which the classes would follow. State "
            "classes=[...] for its data sets, in the teacher's order."
        )
    if number is None:
        # Reading the labels takes no images, and whether their files exist is asked when training begins.
        reading = reader(**{**arguments, "pipeline": (), "on_error": "skip"})
        number = len(reading.metainfo["classes"])
    return tuple(str(label) for label in range(number))


def _complete_seed(cfg: Config) -> None:
    seed = (cfg.get("randomness") or {}).get("seed")
    if seed is None:
        return
    nodes = [(dataset, find_kind(dataset["type"], DATASETS)) for _, dataset in _datasets(cfg)]
    for loader in _LOADERS:
        sampler = (cfg.get(loader) or {}).get("sampler")
        if sampler is not None:
            nodes.append((sampler, None))  # all take a seed
    for node, kind in nodes:
        if node.get("seed") is None and (
            kind is None or "seed" in (accepted_arguments(kind) or ())
        ):
            node["seed"] = seed


def _complete_channels(model: dict[str, Any]) -> None:
    spec = feature_spec(model.get("backbone"))
    if spec is None:
        return
    neck, head = model.get("neck"), model.get("head")
    if neck is not None:
        complete_neck(neck, spec)
    complete_heads(model, spec)
    if neck is None and head is not None:
        agree(head, "in_channels", spec.channels[-1], "head", "the backbone's last feature map has")


def feature_spec(backbone: Mapping[str, Any] | None) -> FeatureSpec | None:
    """Channels and strides of a backbone's config; None where its class does not tell them without being built."""
    if backbone is None:
        return None
    kind = find_kind(backbone["type"], MODELS)
    if not hasattr(kind, "feature_spec"):
        return None
    wanted = inspect.signature(kind.feature_spec).parameters
    spec: FeatureSpec = kind.feature_spec(**{k: v for k, v in backbone.items() if k in wanted})
    return spec


def _complete_num_classes(model: dict[str, Any], names: Sequence[str], owner: str) -> None:
    source = f"{owner} ({_shown(names)}) has"
    head = model.get("head")
    if head is not None:
        agree(head, "num_classes", len(names), "head", source)
    complete_classes(model, len(names), source)
    preprocessor = model.get("data_preprocessor")
    if preprocessor is not None and preprocessor.get("mixes"):
        agree(preprocessor, "num_classes", len(names), "data_preprocessor", source)


def _asks_for_loss(cfg: Config) -> bool:
    """Whether an evaluator has the metric of the loss."""
    for evaluator in (cfg.get("val_evaluator"), cfg.get("test_evaluator")):
        by_head = (evaluator or {}).get("metrics") if isinstance(evaluator, Mapping) else None
        groups = by_head.values() if isinstance(by_head, Mapping) else [evaluator or {}]
        for group in groups:
            metrics = group if isinstance(group, Sequence) else [group]
            if any(metric.get("type") == "ValidationLoss" for metric in metrics):
                return True
    return False


def _shown(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")
