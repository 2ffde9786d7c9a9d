"""Published checkpoints: reading them, converting them, their names on the hub."""

from .export import convert_weights
from .files import WeightsFile, read_weights
from .hub import HUB_WEIGHTS, find_weights
from .load import load_weights
from .names import convert_state_dict
from .pretrained_init import PretrainedWeights
from .report import LoadReport
from .tasks import join_tasks, split_task
from .variants import arch_name, recognise_arch

__all__ = [
    "HUB_WEIGHTS",
    "LoadReport",
    "PretrainedWeights",
    "WeightsFile",
    "arch_name",
    "convert_state_dict",
    "convert_weights",
    "find_weights",
    "join_tasks",
    "load_weights",
    "read_weights",
    "recognise_arch",
    "split_task",
]
