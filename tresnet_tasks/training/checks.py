"""What is wrong with a config, said before anything is built from it."""

from __future__ import annotations

import inspect
import io
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from .. import registry as R

# Which registry a `type` belongs to follows from the key that it stands under; other keys inherit their parent's.
_REGISTRY_OF_KEY: dict[str, Registry] = {
    "model": R.MODELS,
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
    "default_hooks": R.HOOKS,
    "custom_hooks": R.HOOKS,
    "visualizer": R.VISUALIZERS,
    "vis_backends": R.VISBACKENDS,
    "log_processor": R.LOG_PROCESSORS,
}
# Arguments that mmengine takes out of a dict before it calls the constructor.
_TAKEN_BY_BUILDER: dict[str, set[str]] = {
    "loop": {"by_epoch"},
    "hook": {"priority"},
    "optim_wrapper": {"optimizer", "constructor", "paramwise_cfg"},
    "parameter scheduler": {"convert_to_iter_based"},
    "dataset": {"lazy_init"},
}
_DATALOADER_KEYS = set(inspect.signature(DataLoader).parameters) | {"num_batch_per_epoch"}
_OPAQUE = {"init_cfg", "paramwise_cfg", "env_cfg", "randomness"}
_TOP_LEVEL = (set(inspect.signature(Runner).parameters) - {"cfg"}) | {
    "custom_imports",
    "model_wrapper_cfg",
}


def check_config(cfg: Config) -> None:
    """Refuse a config with unknown keys, names or arguments.

    A top-level name that the config's own files read again (``data_root = ...``) is a variable, not a misspelt key.

    Raises:
        ValueError: for a key or an argument that nothing takes, with the nearest right one.
        KeyError: for a ``type`` that no registry holds, likewise.
    """
    variables = _names_read(cfg.text)
    for key in cfg:
        if key not in _TOP_LEVEL and not key.startswith("_") and key not in variables:
            raise ValueError(
                f"the config has the unknown key {key!r}.{_nearest(key, _TOP_LEVEL)} "
                "Remove it, or begin it with an underscore if it is a variable of your own."
            )
    for key, value in cfg.items():
        if key in _REGISTRY_OF_KEY or key.endswith("_dataloader"):
            _walk(value, key, _REGISTRY_OF_KEY.get(key, R.DATASETS), key)


def _names_read(text: str) -> set[str]:
    """Identifiers that appear at least twice in the config's text: once defined, once used."""
    seen: set[str] = set()
    again: set[str] = set()
    try:
        for token in tokenize.generate_tokens(io.StringIO(text or "").readline):
            if token.type == tokenize.NAME:
                (again if token.string in seen else seen).add(token.string)
    except tokenize.TokenError:  # several files in one text need not end as one would
        pass
    return again


def _walk(value: Any, key: str, registry: Registry, where: str) -> None:
    """Check every dict with a ``type`` below ``value``."""
    if isinstance(value, Mapping):
        skipped = _check_node(value, key, registry, where)
        # The keys of default_hooks are names of slots, `param_scheduler` among them: all hold hooks.
        switches = {} if registry is R.HOOKS else _REGISTRY_OF_KEY
        for name, child in value.items():
            if name not in skipped and name not in _OPAQUE:
                _walk(child, name, switches.get(name, registry), f"{where}.{name}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, child in enumerate(value):
            _walk(child, key, registry, f"{where}[{index}]")


def _check_node(node: Mapping[str, Any], key: str, registry: Registry, where: str) -> Iterable[str]:
    """Check one dict; returns the arguments whose inside is none of ours (another library's configs)."""
    if key.endswith("_dataloader"):
        _check_arguments(set(node), _DATALOADER_KEYS, where, key)
    kind = node.get("type")
    if kind is None:
        return ()
    if isinstance(kind, str):
        try:
            kind = _find(kind, registry)
        except KeyError as error:
            raise KeyError(f"{where}: {error.args[0]}") from None
    allowed = _accepted(kind)
    if allowed is not None:
        allowed |= {"type", "_scope_"} | _TAKEN_BY_BUILDER.get(registry.name, set())
        _check_arguments(set(node), allowed, where, node["type"])
    return tuple(getattr(kind, "foreign_config", ()))


def _find(name: str, registry: Registry) -> Any:
    """What the name stands for: in the registry of its place, else among the task utilities (assigners, coders)."""
    try:
        return registry.get(name)
    except KeyError:
        if registry is R.MODELS:
            try:
                return R.TASK_UTILS.get(name)
            except KeyError:
                pass
        raise


def _accepted(kind: Any) -> set[str] | None:
    """Names of the keyword arguments that a class or function takes; None where it takes any."""
    if not inspect.isclass(kind):
        owners = [kind]
    else:
        owners = [c.__init__ for c in inspect.getmro(kind) if "__init__" in vars(c)]
    names: set[str] = set()
    for owner in owners:
        parameters = inspect.signature(owner).parameters.values()
        names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        # Only what a constructor hands on by **kwargs can reach its base class.
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names
    return None


def _check_arguments(given: set[str], allowed: set[str], where: str, owner: Any) -> None:
    for name in sorted(given - allowed):
        raise ValueError(f"{where}: {owner} has no argument {name!r}.{_nearest(name, allowed)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else f" Known are: {', '.join(sorted(known))}."
