"""The metric of a validation that a setting names."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

_LOWER = ("loss", "error", "perplexity")


def chosen_metric(metrics: Mapping[str, Any], wanted: str, setting: str) -> str:
    """Find the metric's full name.

    Args:
        metrics: what the validation gave.
        wanted: a name such as ``accuracy/top1``, or ``top1`` if only one ends so; ``'auto'`` for
            the first.
        setting: name of the setting, for messages.

    Raises:
        ValueError: if no number has that name, with the nearest one.
    """
    names = [name for name, value in metrics.items() if isinstance(value, (int, float, np.number))]
    if not names:
        raise ValueError(
            f"{setting}={wanted!r} needs a metric, but the validation gave no number. "
            f"Set val_evaluator, or leave {setting} out."
        )
    if wanted == "auto":
        return names[0]
    if wanted in names:
        return wanted
    fitting = [name for name in names if name.endswith(f"/{wanted}")]
    if len(fitting) == 1:
        return fitting[0]
    near = get_close_matches(wanted, names, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"{setting}={wanted!r} is not one metric of the validation, which gave "
        f"{', '.join(names)}.{hint}"
    )


def rule_of(name: str) -> str:
    """Whether a metric is better ``'greater'`` or ``'less'``, by its name."""
    return "less" if any(word in name.lower() for word in _LOWER) else "greater"
