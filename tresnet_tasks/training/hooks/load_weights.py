"""The weights that a run starts from."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...weights import load_weights


class LoadWeightsHook(Hook):
    """Loads a published file, a hub name or a checkpoint into the model before the first step: ``load_from``.

    Not earlier: before training begins mmengine initialises the model's parts that have an ``init_cfg``.

    Args:
        weights: see ``load_weights``.
    """

    # Before other hooks look at the weights: the average starts from them.
    priority = "VERY_HIGH"

    def __init__(self, weights: str) -> None:
        self.weights = weights

    def before_train(self, runner: Any) -> None:
        """Load them and say what was loaded."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        runner.logger.info(str(load_weights(model, self.weights)))
