"""Exponential moving average of a model's parameters and buffers."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from torch import Tensor

from tresnet_tasks.registry import HOOKS
from tresnet_tasks.upstream.sharded_state import own_share, share_like


@HOOKS.register_module()
class ModelEMAHook(Hook):
    """Keeps ``average += (1 - d) * (weights - average)`` and validates and saves the average.

    The average steps once for each step of the optimizer, not for each micro-batch. With ``t`` the
    number of optimizer steps made, this one included, ``d = min(decay, (1 + t) / (10 + t))`` under
    warm-up and ``decay`` otherwise. Integer buffers are copied. In a checkpoint ``state_dict``
    holds the average, and ``ema_state_dict`` the weights that training goes on with, prefixed
    ``module.``, and ``steps``: mmengine's layout. Unlike mmengine's EMAHook it steps with the
    optimizer, averages buffers and leaves the average as it is while it is shown to validation.

    Args:
        decay: in [0, 1); the higher, the longer the memory: about ``1 / (1 - decay)`` optimizer
            steps.
        warmup: whether the first steps forget faster, so that the random start is gone early.

    Raises:
        ValueError: if ``decay`` is out of range.
    """

    priority = "NORMAL"

    def __init__(self, decay: float = 0.9997, warmup: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ValueError(
                f"ModelEMAHook got decay={decay}; expected 0 <= decay < 1, such as 0.9997. "
                "(mmengine's EMAHook takes momentum = 1 - decay.)"
            )
        self.decay = decay
        self.warmup = warmup
        self.steps = 0
        self._average: dict[str, Tensor] = {}
        self._kept: dict[str, Tensor] = {}
        self._resumed: dict[str, Tensor] | None = None
        self._optimizer_stepped = False

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """On resuming, take the average and hand the weights of training to the model."""
        if not runner._resume:
            return
        state = checkpoint.pop("ema_state_dict", None)
        if state is None:
            runner.logger.warning(
                "the checkpoint has no averaged weights (ema_state_dict): the average starts at "
                "its weights"
            )
            return
        self.steps = int(state["steps"])
        self._resumed = checkpoint["state_dict"]
        checkpoint["state_dict"] = {
            key.removeprefix("module."): value for key, value in state.items() if key != "steps"
        }

    def before_train(self, runner: Any) -> None:
        """Start the average, at the model's weights or the resumed average; watch the optimizer."""
        # Buffers that are not stored are constants. Half-precision weights are averaged in float32:
        # 1 - decay is below what bfloat16 resolves.
        stored = _bare(runner.model).state_dict().keys()
        self._average = {
            name: value.detach().to(_precision(value), copy=True)
            for name, value in _tensors(runner.model).items()
            if name in stored
        }
        self.after_roll_back(runner)
        for optimizer in _optimizers(runner.optim_wrapper):
            optimizer.register_step_post_hook(self._note_step)

    def after_roll_back(self, runner: Any) -> None:
        """Take the average of the checkpoint that was loaded."""
        if self._resumed is not None:
            for name, value in self._average.items():
                value.copy_(share_like(self._resumed[name], value))
            self._resumed = None
        self._optimizer_stepped = False

    def _note_step(self, *_: object) -> None:
        self._optimizer_stepped = True

    @torch.no_grad()
    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Step the average if the optimizer has stepped.

        Asking the optimizer, rather than counting micro-batches, is right at the end of an epoch,
        after resuming and when a scaler skips a step that overflowed.
        """
        if not self._optimizer_stepped:
            return
        self._optimizer_stepped = False
        self.steps += 1
        decay = self.decay
        if self.warmup:
            decay = min(decay, (1 + self.steps) / (10 + self.steps))
        weights = _tensors(runner.model)
        floating = [name for name, value in self._average.items() if value.is_floating_point()]
        averages = [own_share(self._average[name]) for name in floating]
        pairs = zip(floating, averages, strict=True)
        torch._foreach_lerp_(
            averages,
            [own_share(weights[name].detach()).to(avg) for name, avg in pairs],
            1 - decay,
        )
        for name in self._average.keys() - set(floating):
            self._average[name].copy_(weights[name])

    def before_val_epoch(self, runner: Any) -> None:
        """Put the average into the model."""
        self._show(runner.model)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Put the weights of training back."""
        self._restore(runner.model)

    def before_test_epoch(self, runner: Any) -> None:
        """Put the average into the model."""
        self._show(runner.model)

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Put the weights of training back."""
        self._restore(runner.model)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Save the average as ``state_dict`` and the weights of training as ``ema_state_dict``."""
        model = _bare(runner.model)
        weights = _tensors(model)
        # The tensors themselves say which entry is whose: a shared one has several names.
        names = {id(value): name for name, value in weights.items()}
        average, training = {}, {}
        for key, value in model.state_dict(keep_vars=True).items():
            name = names.get(id(value))
            average[key] = self._average.get(name, value) if name else value
            # While the average is shown to a validation, the model does not hold them.
            training[f"module.{key}"] = self._kept.get(name, value) if name else value
        checkpoint["state_dict"] = average
        checkpoint["ema_state_dict"] = {"steps": torch.tensor(self.steps), **training}

    @torch.no_grad()
    def _show(self, model: Any) -> None:
        if self._kept:
            return
        weights = _tensors(model)
        self._kept = {name: weights[name].detach().clone() for name in self._average}
        for name, value in self._average.items():
            weights[name].copy_(value)

    @torch.no_grad()
    def _restore(self, model: Any) -> None:
        weights = _tensors(model)
        for name, value in self._kept.items():
            weights[name].copy_(value)
        self._kept = {}


def _bare(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model


def _tensors(model: Any) -> dict[str, Tensor]:
    """Parameters and buffers by name; one that is shared under several names comes once."""
    model = _bare(model)
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _precision(value: Tensor) -> torch.dtype:
    return torch.float32 if value.dtype in (torch.float16, torch.bfloat16) else value.dtype


def _optimizers(wrapper: Any) -> list[Any]:
    if isinstance(wrapper, OptimWrapperDict):
        return [inner.optimizer for inner in wrapper.optim_wrappers.values()]
    return [wrapper.optimizer]
