"""What is wrong with a config, said before anything is built from it."""

from __future__ import annotations

import inspect
import io
import re
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from .. import registry as R
from .value_checks import check_values

# Which registry a `type` belongs to follows from the key that it stands under; other keys inherit their parent's.
_REGISTRY_OF_KEY: dict[str, Registry] = {
    "model": R.MODELS,
    "tta_model": R.MODELS,
    "tta_pipeline": R.TRANSFORMS,
    "dataset": R.DATASETS,
    "pipeline": R.TRANSFORMS,
    "sampler": R.DATA_SAMPLERS,
    "batch_sampler": R.DATA_SAMPLERS,
    "collate_fn": R.FUNCTIONS,
    "train_cfg": R.LOOPS,
    "val_cfg": R.LOOPS,
    "test_cfg": R.LOOPS,
    "optim_wrapper": R.OPTIM_WRAPPERS,
    "optimizer": R.OPTIMIZERS,
    "param_scheduler": R.PARAM_SCHEDULERS,
    "val_evaluator": R.METRICS,
    "test_evaluator": R.METRICS,
    "metrics": R.METRICS,  # of an evaluator
    "default_hooks": R.HOOKS,
    "custom_hooks": R.HOOKS,
    "visualizer": R.VISUALIZERS,
    "vis_backends": R.VISBACKENDS,
    "log_processor": R.LOG_PROCESSORS,
    "model_wrapper_cfg": R.MODEL_WRAPPERS,
}
# The keys of default_hooks are names of slots, and a detector has a train_cfg of its own: no key above means
# another registry there.
_INSIDE: dict[Registry, dict[str, Registry]] = {
    R.HOOKS: {},
    R.MODELS: {"init_cfg": R.WEIGHT_INITIALIZERS},
}
# Arguments that mmengine takes out of a dict before it calls the constructor.
_TAKEN_BY_BUILDER: dict[str, set[str]] = {
    "loop": {"by_epoch"},
    "hook": {"priority"},
    "optim_wrapper": {"optimizer", "constructor", "paramwise_cfg"},
    "parameter scheduler": {"convert_to_iter_based"},
    "dataset": {"lazy_init"},
    "weight initializer": {"override"},
}
# What mmengine, or Classifier, builds where no type is given.
_DEFAULT_TYPES = {
    "val_cfg": "ValLoop",
    "test_cfg": "TestLoop",
    "optim_wrapper": "OptimWrapper",
    "log_processor": "LogProcessor",
    "model_wrapper_cfg": "ReplicatedModel",
    "model.data_preprocessor": "Preprocessor",
}
_NEED_A_TYPE = {
    *("model", "dataset", "pipeline", "sampler", "collate_fn", "optimizer", "param_scheduler"),
    *("custom_hooks", "backbone", "neck", "head", "init_cfg", "val_evaluator", "test_evaluator"),
}
# Settings without a type, whose keys mmengine reads one by one and says nothing of the others.
_PLAIN_SETTINGS: dict[str, set[str]] = {
    "env_cfg": {"cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"},
    "randomness": set(inspect.signature(Runner.set_randomness).parameters) - {"self"},
    "auto_scale_lr": {"enable", "base_batch_size"},
    "paramwise_cfg": {
        *("lr_mult", "decay_mult", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult"),
        *("flat_decay_mult", "dwconv_decay_mult", "dcn_offset_lr_mult", "bypass_duplicate"),
        "custom_keys",
    },
}
_DATALOADER_KEYS = set(inspect.signature(DataLoader).parameters) | {"num_batch_per_epoch"}
_OPAQUE = {  # other libraries read these
    *("paramwise_cfg", "clip_grad", "override", "nms", "roi_layer"),
    *("norm_cfg", "act_cfg", "conv_cfg", "upsample_cfg", "plugins", "dcn"),
    *("dqs_cfg", "adapt_cfg", "same_up_trans", "same_down_trans", "across_lateral_trans"),
    *("across_down_trans", "across_up_trans", "across_skip_trans"),
}
TOP_LEVEL = (set(inspect.signature(Runner).parameters) - {"cfg"}) | {
    *("custom_imports", "model_wrapper_cfg", "sync_bn", "find_unused_parameters", "compile"),
    *("activation_checkpointing", "efficient_conv_bn_eval", "tta_model", "tta_pipeline"),
}


def check_config(cfg: Config) -> None:
    """Refuse a config with unknown keys, names or arguments.

    A top-level name that the config's own files read again (``data_root = ...``) is a variable, not a misspelt key.

    Raises:
        ValueError: for a key or an argument that nothing takes, with the nearest right one, and for a part without
            ``type``.
        KeyError: for a ``type`` that no registry holds, likewise.

    Numbers that no run can begin with are refused by :func:`check_values`.
    """
    variables = _names_read(cfg.text or "")
    for key in cfg:
        if key not in TOP_LEVEL and not key.startswith("_") and key not in variables:
            raise ValueError(
                f"the config has the unknown key {key!r}. {nearest(key, TOP_LEVEL)} "
                "Remove it, or begin it with an underscore if it is a variable of your own."
            )
    for key, value in cfg.items():
        if key in _REGISTRY_OF_KEY or key.endswith("_dataloader"):
            if value is not None and not isinstance(value, Mapping | list | tuple):
                raise ValueError(
                    f"{key} is {value!r}; expected a dict such as dict(type=...), or None."
                )
            registry = _REGISTRY_OF_KEY.get(key, R.DATASETS)
            if registry is R.METRICS and isinstance(value, Mapping) and "metrics" in value:
                registry = R.EVALUATORS  # metrics with something around them
            _walk(value, key, registry, key)
    for key in ("env_cfg", "randomness", "auto_scale_lr"):
        _check_arguments(cfg.get(key) or {}, _PLAIN_SETTINGS[key], key, key)
    wrapper = cfg.get("optim_wrapper") or {}
    if isinstance(wrapper.get("constructor"), str):
        try:
            find_kind(wrapper["constructor"], R.OPTIM_WRAPPER_CONSTRUCTORS)
        except KeyError as error:
            raise KeyError(f"optim_wrapper.constructor: {error.args[0]}") from None
    if wrapper.get("constructor") is None:  # another one may take other settings
        given = wrapper.get("paramwise_cfg") or {}
        name = "optim_wrapper.paramwise_cfg"
        _check_arguments(given, _PLAIN_SETTINGS["paramwise_cfg"], name, name)
        if wrapper and "optimizer" not in wrapper:
            raise ValueError(
                f"optim_wrapper has no 'optimizer', it has {', '.join(wrapper)}. Add "
                "optimizer=dict(type='SGD', lr=...)."
            )
    check_values(cfg)


def _names_read(text: str) -> set[str]:
    """Names that the Python text of a config, its bases included, reads rather than sets."""
    # mmengine puts each file's path, which is no Python, before its text.
    lines = [
        "" if line.endswith(".py") and Path(line).is_absolute() else line
        for line in text.splitlines()
    ]
    found = set(re.findall(r"_base_\.(\w+)", text))
    name = before = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
            # `x = 1` and `dict(x=1)` set x; `a.x` is another x.
            if name and token.string != "=":
                found.add(name)
            name = token.string if token.type == tokenize.NAME and before != "." else ""
            before = token.string
    except (tokenize.TokenError, SyntaxError):  # mmengine could run it: no misspelt key is at stake
        pass
    return found


def _walk(value: Any, key: str, registry: Registry, where: str) -> None:
    """Check every dict with a ``type`` below ``value``."""
    if isinstance(value, Mapping):
        skipped = _check_node(value, key, registry, where)
        switches = _INSIDE.get(registry, _REGISTRY_OF_KEY)
        for name, child in value.items():
            if name not in skipped and name not in _OPAQUE:
                _walk(child, name, switches.get(name, registry), f"{where}.{name}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, child in enumerate(value):
            _walk(child, key, registry, f"{where}[{index}]")


def _check_node(node: Mapping[str, Any], key: str, registry: Registry, where: str) -> Iterable[str]:
    """Check one dict; returns the arguments whose inside is none of ours (another library's configs)."""
    if key.endswith("_dataloader"):
        _check_arguments(node, _DATALOADER_KEYS, where, key)
        if node.get("dataset") is None:
            raise ValueError(
                f"{where} has no 'dataset'; it has {', '.join(map(str, node)) or 'nothing'}. Add "
                "dataset=dict(type='...')."
            )
    kind = node.get("type", _default_type(node, where))
    if kind is None:
        # Schedules of several optimizers, metrics of one evaluator: the types stand one level below.
        several = node and all(isinstance(child, Mapping | list) for child in node.values())
        if key in _NEED_A_TYPE and not (several and key.endswith(("scheduler", "evaluator"))):
            near = get_close_matches("type", node, n=1, cutoff=0.6)
            hint = f"Is {near[0]!r} meant to be 'type'?" if near else "Add type='...'."
            raise ValueError(
                f"{where} has no 'type', which says what is built; it has "
                f"{', '.join(map(str, node)) or 'nothing'}. {hint}"
            )
        return ()
    if isinstance(kind, str):
        try:
            kind = find_kind(kind, registry)
        except KeyError as error:
            raise KeyError(f"{where}: {error.args[0]}") from None
    allowed = accepted_arguments(kind)
    if allowed is not None:
        allowed |= {"type", "_scope_"} | _TAKEN_BY_BUILDER.get(registry.name, set())
        if key == "loss_cls":
            allowed.add("bg_cls_weight")  # mmdet's DETR heads take it out
        name = node.get("type", kind)
        _check_arguments(node, allowed, where, name if isinstance(name, str) else kind.__name__)
    return tuple(getattr(kind, "foreign_config", ()))


def _default_type(node: Mapping[str, Any], where: str) -> str | None:
    if where == "train_cfg":
        by_epoch = node.get("by_epoch", "max_epochs" in node)
        return "EpochBasedTrainLoop" if by_epoch else "IterBasedTrainLoop"
    if (
        where == "optim_wrapper" and "constructor" in node
    ):  # it may build one for each of several optimizers
        return None
    return _DEFAULT_TYPES.get(where)


def find_kind(name: Any, registry: Registry) -> Any:
    """What a ``type`` stands for, in the registry of its place; for a model's parts also among the task utilities
    (assigners, coders).

    Raises:
        KeyError: if there is none, with the nearest names.
    """
    if not isinstance(name, str):
        return name
    try:
        return registry.get(name)
    except KeyError:
        if registry is R.MODELS:
            try:
                return R.TASK_UTILS.get(name)
            except KeyError:
                pass
        raise


def accepted_arguments(kind: Any) -> set[str] | None:
    """Names of the keyword arguments that a class or function takes; None where it takes any."""
    if not inspect.isclass(kind):
        classes, owners = [], [kind]
    else:
        classes = [c for c in inspect.getmro(kind) if "__init__" in vars(c)]
        owners = [vars(c)["__init__"] for c in classes]
    names: set[str] = set()
    ends = several = False
    for index, owner in enumerate(owners):
        parameters = inspect.signature(owner).parameters.values()
        names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        handed_on = any(p.kind is p.VAR_KEYWORD for p in parameters)
        # Only what a constructor hands on by **kwargs can reach its base class; of several bases, any.
        ends |= not handed_on
        several |= handed_on and bool(classes) and len(classes[index].__bases__) > 1
        if ends and not several:
            break
    return names - {"self"} if ends else None


def _check_arguments(given: Iterable[str], allowed: set[str], where: str, owner: str) -> None:
    unknown = sorted(set(given) - allowed)
    if not unknown:
        return
    left_over = ""
    if len(unknown) > 1 or not get_close_matches(unknown[0], allowed, n=1, cutoff=0.6):
        left_over = (
            " If a base config set it for another type, put _delete_=True into the dict, which then "
            "takes nothing over."
        )
    names = ", ".join(map(repr, unknown))
    place = owner if where == owner else f"{where}: {owner}"
    hint = nearest(unknown[0], allowed)
    if "metainfo" in unknown and "classes" in allowed:
        hint = "What mmdet has as metainfo=dict(classes=...) is classes=[...] here."
    raise ValueError(f"{place} has no argument {names}. {hint}{left_over}")


def nearest(name: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'?``, or the known names where none comes near."""
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    shown = ", ".join(sorted(set(known) - {"type", "_scope_"}))
    return f"Did you mean {near[0]!r}?" if near else f"Known are: {shown}."
