"""Registries of this project: children of mmengine's, scope ``tresnet_tasks``.

A bare name is looked up here, then in mmengine, then in mmdet, so that mmdet's parts build their
default losses and assigners under our scope too; of a transform that mmcv and mmdet both have, such
as ``Resize``, mmdet's is meant, which knows masks and boxes. A name found nowhere is answered with
the nearest right ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from mmengine import registry as root

from .upstream.meshgrid_warning import silence as silence_meshgrid_warning
from .upstream.package_paths import install as _install_package_paths
from .upstream.ssd_head import repair as repair_ssd_head

# Whoever reads a config has this module imported: a config may begin with one of mmdet's.
_install_package_paths()

SCOPE = "tresnet_tasks"


class TaskRegistry(root.Registry):
    """A registry that falls back to mmdet's of the same kind and names the nearest entries."""

    def get(self, key: str) -> Any:
        """Look ``key`` up in this registry, mmengine's and mmdet's, in this order.

        Args:
            key: a bare name (``TResNet``), one with a scope (``mmdet.FCOS``) or a full import path.

        Raises:
            KeyError: if no registry has it; the message lists the nearest names.
        """
        if "." in key:
            try:
                found = super().get(key)
            except RuntimeError:  # mmengine's word for "neither registered nor an import path"
                found = None
        else:
            # Not super(): after the registries it imports a Python module of that name from the current folder.
            found = self._registered(key)
        if found is None:
            raise KeyError(self._unknown(key))
        return found

    def build(self, cfg: Any, *args: Any, **kwargs: Any) -> Any:
        """Build from a config, under our scope whatever the current default scope is.

        mmengine would look a bare name up in the registry of the default scope, which any other runner of this
        process may have left set to its own.
        """
        with root.DefaultScope.overwrite_default_scope(SCOPE):
            return super().build(cfg, *args, **kwargs)

    def _registered(self, key: str) -> Any:
        registry: root.Registry | None = self
        while registry is not None:
            registry.import_from_location()
            if key in registry.module_dict:
                return self._for_boxes(key, registry.module_dict[key])
            registry = registry.parent
        sibling = self.mmdet_sibling()
        if sibling is None:
            return None
        # mmdet, just imported, has put some of its classes into mmengine's own (DetTTAModel).
        return sibling.module_dict.get(key, self.parent.module_dict.get(key))

    def _for_boxes(self, key: str, found: Any) -> Any:
        """mmdet's transform where it has one of the name of mmcv's."""
        if not str(getattr(found, "__module__", "")).startswith("mmcv.transforms"):
            return found
        sibling = self.mmdet_sibling()
        return found if sibling is None else sibling.module_dict.get(key, found)

    def mmdet_sibling(self) -> root.Registry | None:
        """mmdet's registry of this kind, filled, or None where mmdet cannot be imported."""
        try:
            import_module("mmdet.registry")
            sibling = self.parent.children.get("mmdet")
            if sibling is not None:
                sibling.import_from_location()
                if self.name == "model":
                    repair_ssd_head()
                    silence_meshgrid_warning()
        except (ImportError, AttributeError):
            # mmdet is optional for classification; the names it would have added are then unknown.
            return None
        return sibling

    def _known_names(self) -> Iterator[str]:
        registry: root.Registry | None = self
        while registry is not None:
            yield from registry.module_dict
            registry = registry.parent
        sibling = self.parent.children.get("mmdet")
        if sibling is not None:
            yield from sibling.module_dict

    def _unknown(self, key: str) -> str:
        bare = key.rsplit(".", 1)[-1]
        names = {name.lower(): name for name in self._known_names()}
        near = [names[name] for name in get_close_matches(bare.lower(), names, n=3, cutoff=0.5)]
        hint = f"Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
        return f"{key!r} is not a registered {self.name}. {hint}".strip()


def _child(parent: root.Registry, *locations: str) -> TaskRegistry:
    return TaskRegistry(
        parent.name,
        build_func=parent.build_func,
        parent=parent,
        scope=SCOPE,
        locations=[f"{SCOPE}.{location}" for location in locations],
    )


MODELS = _child(root.MODELS, "backbones", "necks", "losses", "heads", "preprocessing", "models")
DATASETS = _child(root.DATASETS, "datasets")
DATA_SAMPLERS = _child(root.DATA_SAMPLERS, "datasets")
TRANSFORMS = _child(root.TRANSFORMS, "datasets")
METRICS = _child(root.METRICS, "metrics")
EVALUATORS = _child(root.EVALUATOR, "metrics")
FUNCTIONS = _child(root.FUNCTIONS, "datasets")
HOOKS = _child(root.HOOKS, "training")
LOOPS = _child(root.LOOPS, "training")
RUNNERS = _child(root.RUNNERS, "training")
LOG_PROCESSORS = _child(root.LOG_PROCESSORS, "training")
OPTIMIZERS = _child(root.OPTIMIZERS, "training")
OPTIM_WRAPPERS = _child(root.OPTIM_WRAPPERS, "training")
OPTIM_WRAPPER_CONSTRUCTORS = _child(root.OPTIM_WRAPPER_CONSTRUCTORS, "training")
PARAM_SCHEDULERS = _child(root.PARAM_SCHEDULERS, "training")
MODEL_WRAPPERS = _child(root.MODEL_WRAPPERS, "training")
VISUALIZERS = _child(root.VISUALIZERS, "reports")
VISBACKENDS = _child(root.VISBACKENDS, "reports")
WEIGHT_INITIALIZERS = _child(root.WEIGHT_INITIALIZERS, "weights")
TASK_UTILS = _child(root.TASK_UTILS, "models")
