"""Numbers of a config that no run can begin with, said by their place before anything is built."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class NumberRule(NamedTuple):
    """Which numbers a setting takes."""

    least: float
    most: float = math.inf
    whole: bool = True

    def allows(self, value: Any) -> bool:
        """Whether ``value`` is such a number."""
        return (
            isinstance(value, int if self.whole else int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
            and self.least <= value <= self.most
        )

    def __str__(self) -> str:
        what = "whole number" if self.whole else "number"
        if self.most < math.inf:
            return f"a {what} from {self.least:g} to {self.most:g}"
        return f"a {what} of {self.least:g} or more"


_COUNT = NumberRule(1)
_LOADER = {"batch_size": _COUNT, "num_workers": NumberRule(0)}
_LOOP = {"max_epochs": _COUNT, "max_iters": _COUNT, "val_interval": _COUNT}
_AMOUNT = NumberRule(0, whole=False)
_OPTIMIZER = {"lr": _AMOUNT, "weight_decay": _AMOUNT, "momentum": _AMOUNT}
_HEAD = {"dropout": NumberRule(0, 1, whole=False)}


def check_values(cfg: Mapping[str, Any]) -> None:
    """Refuse numbers that end a run later, in the middle of a library.

    Looked at are batch sizes and workers, the length of the run and the interval of its validations, the optimizers'
    rates, and the dropout of heads. A setting that is left out is fine.

    Raises:
        ValueError: naming the setting, what it is and what it may be.
    """
    for where, node, rules in _settings(cfg):
        for key, rule in rules.items():
            if isinstance(node, Mapping) and key in node and not rule.allows(node[key]):
                raise ValueError(
                    f"{where}.{key} is {node[key]!r}; expected {rule}. Correct it in the config or in --cfg-options."
                )


def _settings(cfg: Mapping[str, Any]) -> Iterator[tuple[str, Any, Mapping[str, NumberRule]]]:
    """The dicts to look at, with their places and the rules for their keys."""
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        yield name, cfg.get(name), _LOADER
    yield "train_cfg", cfg.get("train_cfg"), _LOOP
    wrapper = cfg.get("optim_wrapper")
    if isinstance(wrapper, Mapping):
        yield "optim_wrapper", wrapper, {"accumulative_counts": _COUNT}
        yield "optim_wrapper.optimizer", wrapper.get("optimizer"), _OPTIMIZER
    model = cfg.get("model")
    if isinstance(model, Mapping):
        yield "model.head", model.get("head"), _HEAD
        heads = model.get("heads")
        if isinstance(heads, Mapping):
            for name, head in heads.items():
                yield f"model.heads.{name}", head, _HEAD
