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

    Raises:
        ValueError: before training, if a part of the model that is frozen is not in the file.
    """

    # Before other hooks look at the weights: the average starts from them.
    priority = "VERY_HIGH"

    def __init__(self, weights: str) -> None:
        self.weights = weights

    def before_train(self, runner: Any) -> None:
        """Load them and say what was loaded."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        report = load_weights(model, self.weights)
        runner.logger.info(str(report))
        frozen = [f"{part}." for part in getattr(model, "frozen", ())]
        layers = [f"{layer.removeprefix('heads.')}." for layer in report.initialised]
        missing = [layer[:-1] for layer in layers if layer.startswith(tuple(frozen))]
        if missing:
            raise ValueError(
                f"{self.weights} lacks {', '.join(missing)}, which the config freezes: random numbers "
                "would stay. Load a checkpoint that has it, or leave it out of model.frozen."
            )
