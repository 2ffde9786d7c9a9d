"""Who starves whom: what each head's loss does to the shared trunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...registry import HOOKS


@HOOKS.register_module()
class TaskGradientsHook(Hook):
    """Logs how the heads of a ``MultiTaskModel`` pull at the backbone, and warns of a dead head.

    The scalars are ``grad_norm.HEAD``, the norm of the gradient that a head's loss sends into the
    backbone's feature maps (before balancing; with a loss scale, of the scaled loss), and
    ``grad_cos.HEAD~HEAD``, the cosine between two of them. Heads behind the neck are one branch.
    Each epoch ends with one line of their means.

    Args:
        interval: iterations between two readings, each of which waits for the device.
    """

    priority = "NORMAL"  # before the progress is written

    def __init__(self, interval: int = 10) -> None:
        if interval < 1:
            raise ValueError(f"TaskGradientsHook got interval={interval}; expected 1 or more.")
        self.interval = interval

    def before_train_epoch(self, runner: Any) -> None:
        """Forget the epoch before."""
        self._sums: Counter[str] = Counter()
        self._readings = 0
        self._images: Any = 0

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Read norms and cosines."""
        model = _bare(runner.model)
        counts = [(outputs or {}).get(f"{name}.images") for name in model.heads]
        if all(count is not None for count in counts):
            self._images = [
                before + count
                for before, count in zip(self._images or [0] * len(counts), counts, strict=True)
            ]
        if batch_idx % self.interval or model.balance.norms is None:
            return
        names = model.branches
        readings = {
            f"grad_norm.{name}": float(norm)
            for name, norm in zip(names, model.balance.norms, strict=True)
        }
        for (i, one), (j, other) in combinations(enumerate(names), 2):
            readings[f"grad_cos.{one}~{other}"] = float(model.balance.cosines[i, j])
        for key, value in readings.items():
            runner.message_hub.update_scalar(f"train/{key}", value)
        self._sums.update(readings)
        self._readings += 1

    def after_train_epoch(self, runner: Any) -> None:
        """Tell the epoch's means, and which heads have had no labelled image."""
        if self._readings:
            means = " ".join(f"{k} {v / self._readings:.3g}" for k, v in self._sums.items())
            runner.logger.info(f"epoch {runner.epoch + 1} trunk {means}")
        heads = list(_bare(runner.model).heads)
        dead = [n for n, count in zip(heads, self._images or [], strict=False) if not count]
        if dead:
            runner.logger.warning(
                f"no image of this epoch had labels for the head {', '.join(dead)}: nothing was "
                "learned there. Check its data and the sampler's shares."
            )


def _bare(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model
