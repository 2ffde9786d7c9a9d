"""Configs out of a checkpoint, of which nobody knows who wrote them.

mmengine's registries import and call whatever dotted path a ``type`` names, and a bare name that
they do not know as well; some registered modules evaluate their arguments. So a config out of a
file is rebuilt here from plain data, and a ``type`` may only name a module that is known to do
nothing but compute. A config that the user names is not held to this: it is his own.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..datasets.nearest_name import nearest_name
from ..registry import MODELS, SCOPE, TASK_UTILS, TRANSFORMS, TaskRegistry
from ..upstream.albumentations_offline import import_albumentations

# Of registered modules that are not ours, those from here only build layers or compute. Left out on
# purpose: trackers (one evaluates its `warp_mode`), language models and distillation (they load
# files), and backbones.
_TRUSTED_HOMES = (
    "torch.nn.",
    "mmcv.cnn.bricks.",
    "mmcv.ops.",
    "mmengine.model.",
    "mmdet.models.data_preprocessors.",
    "mmdet.models.detectors.",
    "mmdet.models.necks.",
    "mmdet.models.losses.",
    "mmdet.models.layers.",
    "mmdet.models.dense_heads.",
    "mmdet.models.roi_heads.",
    "mmdet.models.seg_heads.",
    "mmdet.models.task_modules.assigners.",
    "mmdet.models.task_modules.coders.",
    "mmdet.models.task_modules.prior_generators.",
    "mmdet.models.task_modules.samplers.",
)
# Detectors that read other files, load language models or hand their arguments to another library.
_UNTRUSTED_HOMES = tuple(
    f"mmdet.models.detectors.{name}"
    for name in (
        *("d2_wrapper", "glip", "grounding_dino", "kd_one_stage", "lad", "semi_base"),
        "soft_teacher",
    )
)
# Names of no registry, by the key of their dict: mmcv evaluates the first as Python, and looks the
# second up in a package, so these are all that may stand there.
_NAMES_OF_KEY = {
    "nms": ("nms", "soft_nms"),
    "dqs_cfg": ("nms",),
    "roi_layer": ("RoIAlign", "RoIPool"),
}
# Transforms of mmdet that a test pipeline needs; all of them only compute.
_MMDET_TRANSFORMS = (*("FixShapeResize", "LoadAnnotations", "PackDetInputs", "Pad", "Resize"),)
# Not needed, since all parameters come from the checkpoint; they would read other files, or the
# network.
_INITIALISATION = ("init_cfg", "pretrained")
# They lead a registry, or a module, to code or files outside.
_REFUSED_KEYS = (
    *("_scope_", "custom_imports", "teacher_config", "teacher_ckpt", "lang_model_name"),
    *("backend_args", "file_client_args"),
)
# Of no use in inference.
_TRAINING_ONLY = ("mixes", "batch_augments")

_NAME = re.compile(rf"(?:(?P<scope>{SCOPE}|mmengine|mmdet)\.)?(?P<name>[A-Za-z_]\w*)")
# A resolved config has some thousand values. More are an attempt to fill the memory, by references
# to one another.
_MAX_VALUES = 100_000
_MAX_DEPTH = 50

_REFUSED = "the config in the checkpoint is refused, and nothing in it was run:"
_PASS_CONFIG = "If you trust its author, pass a config of your own with config=."

# Checks the name of a type and gives the name to build it by; second argument: where it stands.
_TypeCheck = Callable[[str, str], str]


def trusted_model(config: Any) -> dict[str, Any]:
    """Rebuild a model's config from untrusted data.

    Args:
        config: what a checkpoint has as ``cfg['model']``.

    Returns:
        A new tree of dict, list, tuple, str, int, float, bool and None, fit for ``MODELS.build``;
        initialisation and batch augmentations, of no use in inference, are left out.

    Raises:
        ValueError: if it holds anything but plain data, or names a module that is unknown or not
            trusted.
    """
    return _rebuilt_mapping(config, "model", _model_type)


def trusted_pipeline(config: Any) -> list[dict[str, Any]]:
    """Rebuild a list of transforms from untrusted data.

    Args:
        config: what a checkpoint has as ``pipeline``.

    Returns:
        New plain data, fit for ``TRANSFORMS.build`` one by one.

    Raises:
        ValueError: if it holds anything but plain data, or a transform that is neither ours nor
            albumentations'.
    """
    if not isinstance(config, Sequence) or isinstance(config, str):
        raise ValueError(f"{_REFUSED} pipeline is a {type(config).__name__}, not a list of dicts.")
    return [
        _rebuilt_mapping(step, f"pipeline[{index}]", _transform_type)
        for index, step in enumerate(config)
    ]


def _rebuilt_mapping(config: Any, where: str, check: _TypeCheck) -> dict[str, Any]:
    if not isinstance(config, Mapping):
        raise ValueError(f"{_REFUSED} {where} is a {type(config).__name__}, not a dict.")
    rebuilt: dict[str, Any] = _Rebuild(check)(config, where, 0)
    if "type" not in rebuilt:
        raise ValueError(f"{_REFUSED} {where} has no type.")
    return rebuilt


class _Rebuild:
    """Copies a tree, value by value."""

    def __init__(self, check: _TypeCheck) -> None:
        self.check = check
        self.values = 0

    def __call__(self, value: Any, where: str, depth: int) -> Any:
        self.values += 1
        if self.values > _MAX_VALUES or depth > _MAX_DEPTH:
            raise ValueError(
                f"{_REFUSED} {where.split('.')[0]} has more than {_MAX_VALUES} values or "
                f"{_MAX_DEPTH} levels."
            )
        # type(), not isinstance: a subclass could bring its own methods along.
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, Mapping):
            return self._mapping(value, where, depth)
        if isinstance(value, list | tuple):
            items = [self(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
            return tuple(items) if isinstance(value, tuple) else items
        raise ValueError(
            f"{_REFUSED} {where} is a {type(value).__module__}.{type(value).__qualname__}, "
            "not a number, a text, a list or a dict."
        )

    def _mapping(self, config: Mapping[Any, Any], where: str, depth: int) -> dict[str, Any]:
        rebuilt: dict[str, Any] = {}
        for key, value in config.items():
            if type(key) is not str:
                raise ValueError(f"{_REFUSED} {where} has the key {key!r}, which is not a text.")
            if key in _INITIALISATION or key in _TRAINING_ONLY:
                continue
            if key == "_scope_" and type(value) is str and value in (SCOPE, "mmengine", "mmdet"):
                continue  # every name is looked up in these three
            if key in _REFUSED_KEYS and value is not None:
                raise ValueError(f"{_REFUSED} {where} has {key}={value!r}. {_PASS_CONFIG}")
            place = f"{where}.{key}"
            if key == "type":
                if type(value) is not str:
                    raise ValueError(f"{_REFUSED} {place} is {value!r}, not the name of a module.")
                rebuilt[key] = self.check(value, place)
            else:
                rebuilt[key] = self(value, place, depth + 1)
        return rebuilt


def _model_type(name: str, where: str) -> str:
    key = where.split(".")[-2].split("[")[0]
    if key in _NAMES_OF_KEY:
        if name not in _NAMES_OF_KEY[key]:
            raise ValueError(
                f"{_REFUSED} {where}={name!r}; expected {' or '.join(_NAMES_OF_KEY[key])}. "
                f"{_PASS_CONFIG}"
            )
        return name
    return _registered(name, where, (MODELS, TASK_UTILS))


def _transform_type(name: str, where: str) -> str:
    # Directly in the pipeline stand ours; deeper, the transforms that one of ours wraps.
    if where.count(".") > 1 and _is_albumentations(name):
        return name
    if name.removeprefix("mmdet.") in _MMDET_TRANSFORMS:
        return f"mmdet.{name.removeprefix('mmdet.')}"
    return _registered(name, where, (TRANSFORMS,))


def _is_albumentations(name: str) -> bool:
    albumentations = import_albumentations()
    kind = getattr(albumentations, name.removeprefix("A.").removeprefix("albumentations."), None)
    bases = (albumentations.BasicTransform, albumentations.BaseCompose)
    return inspect.isclass(kind) and issubclass(kind, bases)


def _registered(text: str, where: str, registries: Sequence[TaskRegistry]) -> str:
    """The name, with a scope where it needs one, of a registered module that is trusted."""
    for registry in registries:
        for scope, modules in _modules(registry):
            name = _name_within(text, scope, modules)
            if name is not None and _is_trusted(modules[name], scope):
                # With its scope: else the registry would first try to import a Python module of
                # that name.
                return name if scope in (SCOPE, "mmengine") else f"{scope}.{name}"
            if name is not None:
                raise ValueError(
                    f"{_REFUSED} {where}={text!r} does more than compute. {_PASS_CONFIG}"
                )
    if _NAME.fullmatch(text):
        known = {name for registry in registries for name in registry.module_dict}
        hint = nearest_name(text.rsplit(".", 1)[-1], known)
        raise ValueError(f"{_REFUSED} {where}={text!r} is not a registered module. {hint}")
    raise ValueError(
        f"{_REFUSED} {where}={text!r} is not the name of a registered module but a path to Python "
        f"code. {_PASS_CONFIG}"
    )


def _modules(registry: TaskRegistry) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a registry knows, in the order of its own look-up, without asking for any name."""
    registry.import_from_location()
    yield SCOPE, registry.module_dict
    yield "mmengine", registry.parent.module_dict
    mmdet = registry.mmdet_sibling()  # imports mmdet, hence last
    if mmdet is not None:
        yield "mmdet", mmdet.module_dict


def _name_within(text: str, scope: str, modules: Mapping[str, Any]) -> str | None:
    """The registered name meant by a name, one with this scope, or the full name of a class."""
    match = _NAME.fullmatch(text)
    if match:
        fits = match["scope"] in (None, scope) and match["name"] in modules
        return match["name"] if fits else None
    # A config in Python's own words, type=Classifier, is stored as module and class.
    name = text.rsplit(".", 1)[-1]
    kind = modules.get(name)
    full = f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"
    return name if kind is not None and full == text else None


def _is_trusted(kind: Any, scope: str) -> bool:
    # What is registered in our registry, its user has imported himself.
    home = str(getattr(kind, "__module__", ""))
    return scope == SCOPE or (
        home.startswith(_TRUSTED_HOMES) and not home.startswith(_UNTRUSTED_HOMES)
    )
