"""The state of a run as data that ``torch.load(weights_only=True)`` reads back.

mmengine's states hold more than that: a one-cycle schedule its annealing function, the message hub
whatever was put into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch.distributed.tensor import DTensor

from .sharded_state import share_like

_DROPPED = object()
# Of a schedule: what changes from step to step.
_POSITION = ("last_step", "_global_step", "_last_value", "base_values")


def as_stored(value: Any) -> Any:
    """A copy of a tree in which only data is left: numbers, text, tensors, arrays, lists, dicts,
    `HistoryBuffer`.

    Anything else (a function, an object of some class) is left out of the dict or list that held
    it. NumPy's scalars become Python's, tensors move to the CPU.
    """
    kept = _stored(value)
    return None if kept is _DROPPED else kept


def _stored(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str, HistoryBuffer)):
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "biuf" else _DROPPED
    if isinstance(value, Mapping):
        pairs = {key: _stored(item) for key, item in value.items() if isinstance(key, (str, int))}
        return {key: item for key, item in pairs.items() if item is not _DROPPED}
    if isinstance(value, (list, tuple)):
        items = [item for item in map(_stored, value) if item is not _DROPPED]
        return tuple(items) if isinstance(value, tuple) else items
    return _DROPPED


def snapshot(tree: Any, keep: bool = True) -> Any:
    """A copy of a tree in CPU memory that training does not change.

    Containers become plain dicts, lists and tuples. A tensor that comes under several names is
    copied once; the shares of a sharded model are put together, for which every process must call
    this with the same tree.

    Args:
        tree: of containers, tensors, numbers and text.
        keep: whether this process needs the copy; otherwise it only gives its shares.
    """
    return _copied(tree, {}, keep)


def _copied(value: Any, seen: dict[Any, Any], keep: bool) -> Any:
    if isinstance(value, torch.Tensor):
        # Shares are not told apart by their place: of small parameters a process may have nothing.
        shared = isinstance(value, DTensor)
        place = (value.device, id(value) if shared else value.data_ptr())
        key = (*place, value.dtype, value.shape, value.stride())
        if key not in seen:
            whole = value.full_tensor() if isinstance(value, DTensor) else value
            seen[key] = whole.detach().to("cpu", copy=True) if keep else None
        return seen[key]
    if isinstance(value, Mapping):
        return {key: _copied(item, seen, keep) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_copied(item, seen, keep) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return copy(value) if isinstance(value, HistoryBuffer) else value


def with_groups_of(present: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """A stored optimizer state with the learning rates and other settings of the present one.

    Args:
        present: state of an optimizer wrapper, or of several by name.
        stored: likewise, of the same optimizers.
    """
    if "param_groups" in present:
        return {**stored, "param_groups": present["param_groups"]}
    return {name: with_groups_of(present[name], stored[name]) for name in present}


def message_hub_state(hub: Any) -> dict[str, Any]:
    """What of the message hub is stored: its data, without the config, which ``meta`` has."""
    state: dict[str, Any] = as_stored(hub.state_dict())
    state["runtime_info"].pop("cfg", None)
    known = {**state["runtime_info"], **state["log_scalars"]}
    state["resumed_keys"] = {k: v for k, v in state["resumed_keys"].items() if k in known}
    return state


def schedule_states(schedules: Any) -> Any:
    """States of a list of parameter schedules, or a dict of lists (several optimizers)."""
    if isinstance(schedules, dict):
        return {name: schedule_states(group) for name, group in schedules.items()}
    return [as_stored(schedule.state_dict()) for schedule in schedules]


def load_schedule_states(schedules: Any, states: Any, path: str | Path) -> None:
    """Restore what `schedule_states` gave.

    Raises:
        ValueError: if the checkpoint has other schedules than the config.
    """
    if (
        isinstance(schedules, dict)
        and isinstance(states, dict)
        and schedules.keys() == states.keys()
    ):
        for name, group in schedules.items():
            load_schedule_states(group, states[name], path)
        return
    if not isinstance(states, list) or len(states) != len(schedules):
        raise ValueError(
            f"{path} has the states of {_count(states)} parameter schedules, but the config's "
            "param_scheduler has "
            f"{_count(schedules)}. Resume with the schedules that the run was started with."
        )
    for schedule, state in zip(schedules, states, strict=True):
        # Where it is, not how long it lasts: that is the config's to say, which may have more epochs
        # than the run had that was stopped.
        schedule.load_state_dict({key: state[key] for key in _POSITION if key in state})
        step = schedule._global_step
        if schedule.last_step < step - schedule.begin and schedule.begin <= step < schedule.end:
            # It had come to its end and goes on: what it would have done in the last step is due.
            schedule.last_step, schedule._global_step = step - schedule.begin - 1, step - 1
            schedule.step()


def _count(schedules: Any) -> str:
    return str(len(schedules)) if isinstance(schedules, (list, dict)) else "no"


def load_weights_into(model: torch.nn.Module, state_dict: dict[str, Any]) -> list[str]:
    """Copy what fits of a state dict into a model, ``module.`` prefixes dropped.

    Returns:
        A line for each entry that is missing, unexpected or of another shape. A missing
        ``num_batches_tracked`` is none: older files lack it and it changes nothing in a prediction.
    """
    state_dict = {key.removeprefix("module."): value for key, value in state_dict.items()}
    here = model.state_dict()
    state_dict = {key: share_like(value, here.get(key)) for key, value in state_dict.items()}
    try:
        result = model.load_state_dict(state_dict, strict=False)
    except RuntimeError as error:  # of another shape; those that fit have been copied
        return [line.strip() for line in str(error).splitlines()[1:]]
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
    return [f"missing {key}" for key in missing] + [
        f"unexpected {key}" for key in result.unexpected_keys
    ]
