"""Stages of the backbone that begin to train later than the head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from tresnet_tasks.registry import HOOKS


@HOOKS.register_module()
class FreezeStagesHook(Hook):
    """Changes ``frozen_stages`` of the model's `TResNet` backbone as training goes on.

    ``stages={0: 4, 2: 2, 5: -1}`` trains the head alone for two epochs, from then on stages 3 and 4
    too, and after five epochs everything. A frozen stage keeps its weights and batch statistics.
    The state follows from the epoch alone, so a resumed run has it too.

    Args:
        stages: by the number of completed epochs, from 0 on, ``frozen_stages`` from there on: -1
            for none, 0 for the stem, 1 to 4 for the stem and the stages up to this one.

    Raises:
        ValueError: if a number is out of range or there is none for epoch 0; in training, if the
            backbone cannot be frozen or is already, or if a distributed run has no
            ``find_unused_parameters=True``, without which it waits for the gradients of all.
    """

    def __init__(self, stages: Mapping[int, int]) -> None:
        # Through a file or the command line the keys may come as text.
        self.stages = {int(epoch): frozen for epoch, frozen in stages.items()}
        if 0 not in self.stages or min(self.stages) < 0:
            raise ValueError(
                f"FreezeStagesHook got stages={stages!r}; expected one for epoch 0, and later ones"
            )
        if not all(frozen in range(-1, 5) for frozen in self.stages.values()):
            raise ValueError(
                f"FreezeStagesHook got stages={stages!r}; expected values of -1 (none) to 4 (all)"
            )

    def before_train(self, runner: Any) -> None:
        """Look at the model."""
        wrapper = type(runner.model).__name__
        tolerant = getattr(runner.model, "find_unused_parameters", False)
        if is_model_wrapper(runner.model) and not tolerant:
            raise ValueError(
                f"FreezeStagesHook with a {wrapper} needs it to expect that some gradients are "
                "missing. Set find_unused_parameters=True in the config, which a ReplicatedModel "
                "takes; or leave the hook out."
            )
        model = getattr(runner.model, "module", runner.model)
        backbone: Any = getattr(model, "backbone", None)
        if not hasattr(backbone, "frozen_stages"):
            raise ValueError(
                f"FreezeStagesHook got a {type(model).__name__} without a backbone that has "
                "frozen_stages; expected a TResNet. Leave the hook out."
            )
        self._backbone = backbone
        stated = self._backbone.frozen_stages
        if stated != -1:
            raise ValueError(
                f"FreezeStagesHook and model.backbone.frozen_stages={stated} both say what is "
                "frozen. Leave frozen_stages out."
            )

    def before_train_epoch(self, runner: Any) -> None:
        """Freeze and let go."""
        backbone = self._backbone
        frozen = self.stages[max(epoch for epoch in self.stages if epoch <= runner.epoch)]
        if frozen == backbone.frozen_stages:
            return
        backbone.frozen_stages = frozen
        backbone.requires_grad_(True)
        backbone.train()  # freezes what is to be frozen
        runner.logger.info(f"frozen_stages is {frozen} from epoch {runner.epoch + 1} on")
