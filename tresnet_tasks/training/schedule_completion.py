"""Completion of schedules: how long they last follows from how long the run lasts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

# How long a kind lasts, by the argument that says so.
_LENGTH = {"OneCycleLR": "total_steps", "CosineAnnealingLR": "T_max"}


def complete_schedules(cfg: Config) -> list[str]:
    """Fill the length of one-cycle and cosine schedules from that of the run, in place.

    Args:
        cfg: the config.

    Returns:
        What a user should know: schedules that the run does not come to the end of.

    Raises:
        ValueError: if a schedule ends before the run: a one-cycle cannot go on, a cosine would rise
            again; or if one begins after it.
    """
    notes: list[str] = []
    for schedule in schedules_of(cfg.get("param_scheduler")):
        key = _LENGTH.get(str(schedule.get("type")).rpartition(".")[-1])
        unit = "epochs" if schedule.get("by_epoch", True) else "iterations"
        run = (cfg.get("train_cfg") or {}).get("max_epochs" if unit == "epochs" else "max_iters")
        if key is None or run is None:
            continue
        if unit == "iterations":  # such a schedule steps with the optimizer
            run = math.ceil(run / (cfg.get("optim_wrapper") or {}).get("accumulative_counts", 1))
        last = min(run, schedule["end"]) if schedule.get("end") is not None else run
        needed = last - schedule.get("begin", 0)
        if needed <= 0:
            raise ValueError(
                f"param_scheduler {schedule['type']} begins after {schedule.get('begin', 0)} {unit}, but the "
                f"run lasts {run}. Train for longer, or let it and the warm-up before it begin and end "
                "earlier."
            )
        stated = schedule.get(key)
        share = schedule.get("pct_start", 0.3)
        if key == "total_steps" and unit == "iterations" and share * needed <= 1:
            raise ValueError(
                f"param_scheduler {schedule['type']} rises for pct_start={share} of {needed} steps, which is no more "
                f"than one. Train for more than {1 / share:.0f} steps, or set a larger pct_start."
            )
        if stated is None:
            schedule[key] = needed
        elif stated < needed:
            raise ValueError(
                f"param_scheduler {schedule['type']} has {key}={stated}, but the run lasts {needed} "
                f"{unit} from there. Leave {key} out, and the schedule lasts as long as the run."
            )
        elif stated > needed:
            notes.append(
                f"{schedule['type']} lasts {stated} {unit}, and the run stops after {needed} of "
                f"them; leave {key} out to have it end with the run"
            )
    return notes


def schedules_of(node: Any) -> Iterator[dict[str, Any]]:
    """The schedules, of one or several optimizers."""
    if isinstance(node, list | tuple):
        for child in node:
            yield from schedules_of(child)
    elif isinstance(node, dict):
        if "type" in node:
            yield node
        else:
            yield from schedules_of(list(node.values()))
