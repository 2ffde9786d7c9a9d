"""Training: launching, completing and checking configs, hooks."""

from ..registry import OPTIM_WRAPPERS, RUNNERS
from ..upstream.autocast import BFloat16OptimWrapper
from ..upstream.runner import TaskRunner
from . import hooks
from .layer_decay import LayerDecayConstructor
from .replicated_model import ReplicatedModel
from .sharded_model import ShardedModel

# Registered here and not in `upstream`, which stands before the registries.
RUNNERS.register_module(module=TaskRunner)
OPTIM_WRAPPERS.register_module(module=BFloat16OptimWrapper)

__all__ = [
    "BFloat16OptimWrapper",
    "LayerDecayConstructor",
    "ReplicatedModel",
    "ShardedModel",
    "TaskRunner",
    "hooks",
]
