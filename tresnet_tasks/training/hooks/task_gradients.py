"""Who starves whom: what each head's loss asks of the shared trunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...registry import HOOKS
from ...upstream.sharded_state import is_sharded


@HOOKS.register_module()
class TaskGradientsHook(Hook):
    """Logs how the heads of a ``MultiTaskModel`` pull at the backbone, and warns of a dead head.

    The scalars are ``grad_norm.HEAD``, the norm of the gradient of a head's weighted loss with
    respect to all trained parameters of the backbone, of the images of all processes (of a
    micro-batch, with accumulated gradients; before any balancing; without the loss scale), and
    ``grad_cos.HEAD~HEAD``, the cosine between two of them. A batch in which a head has no labelled
    image says nothing of it. Each epoch ends with one line of the means.

    A reading costs a further backward pass for each head, with three heads the time of 1.3 steps:
    at the default interval 3 % of the training. A model that is split over the processes is not
    read.

    Args:
        interval: iterations between two readings.
    """

    priority = "NORMAL"  # before the progress is written

    def __init__(self, interval: int = 50) -> None:
        if interval < 1:
            raise ValueError(f"TaskGradientsHook got interval={interval}; expected 1 or more.")
        self.interval = interval
        self._can_read = True

    def before_train(self, runner: Any) -> None:
        """See whether the gradients can be read.

        Raises:
            ValueError: if the model has no heads to compare.
        """
        if not hasattr(_bare(runner.model), "balance"):
            raise ValueError(
                f"TaskGradientsHook got a {type(_bare(runner.model)).__name__}; it compares the heads "
                "of a MultiTaskModel. Leave it out of custom_hooks."
            )
        self._can_read = not is_sharded(runner.model)
        if not self._can_read:
            runner.logger.info("the heads' gradients are not logged: the model is sharded")

    def before_train_epoch(self, runner: Any) -> None:
        """Forget the epoch before."""
        self._sums: Counter[str] = Counter()
        self._readings: Counter[str] = Counter()
        self._images: Any = 0

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Ask for a reading."""
        balance = _bare(runner.model).balance
        balance.wanted = self._can_read and batch_idx % self.interval == 0

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Read norms and cosines."""
        balance = _bare(runner.model).balance
        counts = [(outputs or {}).get(f"{name}.images", 0) for name in balance.heads]
        self._images = [
            before + count
            for before, count in zip(self._images or [0] * len(counts), counts, strict=True)
        ]
        if batch_idx % self.interval or balance.products is None:
            return
        present = [i for i, count in enumerate(counts) if count]
        norms, cosines = norms_and_cosines(balance.products.tolist())
        readings = {f"grad_norm.{balance.heads[i]}": norms[i] for i in present}
        for i, j in combinations(present, 2):
            readings[f"grad_cos.{balance.heads[i]}~{balance.heads[j]}"] = cosines[i][j]
        for key, value in readings.items():
            runner.message_hub.update_scalar(f"train/{key}", value)
        self._sums.update(readings)
        self._readings.update(readings.keys())

    def after_train_epoch(self, runner: Any) -> None:
        """Tell the epoch's means, and which heads have had no labelled image."""
        if self._sums:
            means = " ".join(f"{k} {v / self._readings[k]:.3g}" for k, v in self._sums.items())
            runner.logger.info(f"epoch {runner.epoch + 1} trunk {means}")
        heads = _bare(runner.model).balance.heads
        dead = [n for n, count in zip(heads, self._images or [], strict=False) if not count]
        if dead:
            runner.logger.warning(
                f"no image of this epoch had labels for the head {', '.join(dead)}: nothing was "
                "learned there. Check its data and the sampler's shares."
            )


def norms_and_cosines(products: list[list[float]]) -> tuple[list[float], list[list[float]]]:
    """Norms (K,) and cosines (K, K) of vectors, from their inner products (K, K)."""
    norms = [max(row[i], 0.0) ** 0.5 for i, row in enumerate(products)]
    cosines = [
        [
            value / (norms[i] * norms[j]) if norms[i] and norms[j] else 0.0
            for j, value in enumerate(row)
        ]
        for i, row in enumerate(products)
    ]
    return norms, cosines


def _bare(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model
