"""Stages of the backbone that begin to train later than the head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop

from tresnet_tasks.registry import HOOKS
from tresnet_tasks.upstream.accumulation import optimizer_stepped


@HOOKS.register_module()
class FreezeStagesHook(Hook):
    """Changes ``frozen_stages`` of the model's `TResNet` backbone as training goes on.

    ``stages={0: 4, 2: 2, 5: -1}`` trains the head alone for two epochs, from then on stages 3 and 4
    too, and after five epochs everything. ``stages={0: 4, 500: -1}, by='step'`` warms the head up
    for 500 steps of the optimizer. A frozen stage keeps its weights and batch statistics. The state
    follows from the position in the run alone, so a resumed run has it too.

    A lower rate from then on is the schedule's affair: ``dict(type='MultiStepLR', milestones=[2],
    gamma=0.1)`` beside a cosine; the backbone's alone is `LayerDecayConstructor`'s.

    Args:
        stages: by the number of completed epochs or steps, from 0 on, ``frozen_stages`` from there
            on: -1 for none, 0 for the stem, 1 to 4 for the stem and the stages up to this one.
        by: ``'epoch'``, or ``'step'`` of the optimizer, of which several (micro-)batches may make
            one.

    Raises:
        ValueError: if a number is out of range or there is none for 0; in training, if the backbone
            cannot be frozen or is already, if a run counted in iterations is to go by epochs, or if
            a distributed run's wrapper has ``find_unused_parameters=False``, with which it waits for
            the gradients of all (a `ReplicatedModel` has True where the config has this hook).
    """

    def __init__(self, stages: Mapping[int, int], by: str = "epoch") -> None:
        if by not in ("epoch", "step"):
            raise ValueError(f"FreezeStagesHook got by={by!r}; expected 'epoch' or 'step'")
        self.by = by
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
        if self.by == "epoch" and not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                "FreezeStagesHook goes by epochs and this run is counted in iterations. Set "
                "by='step' and the numbers of steps in stages."
            )
        length = runner.max_epochs if self.by == "epoch" else runner.max_steps
        late = [number for number in self.stages if number >= length]
        if late:
            last = self.stages[max(set(self.stages) - set(late))]
            runner.logger.warning(
                f"FreezeStagesHook got stages={self.stages}, but the run has {length} {self.by}s: "
                f"it ends before {min(late)}, with frozen_stages={last}. Set smaller numbers, or "
                "train longer."
            )

    def before_train_epoch(self, runner: Any) -> None:
        """Freeze and let go."""
        if self.by == "epoch":
            self._apply(runner, runner.epoch)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Freeze and let go; not amid accumulated gradients, of which a part would be missing."""
        if self.by == "step" and optimizer_stepped(runner.optim_wrapper):
            self._apply(runner, runner.train_loop.steps)

    def _apply(self, runner: Any, done: int) -> None:
        backbone = self._backbone
        frozen = self.stages[max(number for number in self.stages if number <= done)]
        if frozen == backbone.frozen_stages:
            return
        backbone.frozen_stages = frozen
        backbone.requires_grad_(True)
        backbone.train()  # freezes what is to be frozen
        runner.logger.info(f"frozen_stages is {frozen} from {self.by} {done + 1} on")
