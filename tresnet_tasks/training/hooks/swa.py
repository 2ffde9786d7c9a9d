"""The average of the weights that the last epochs ended with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dist import all_reduce_params, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import get_swa_multi_avg_fn, update_bn

from tresnet_tasks.registry import HOOKS
from tresnet_tasks.upstream.loop_position import batches_from
from tresnet_tasks.upstream.sharded_state import own_share, share_like

from .model_ema import ModelEMAHook


@HOOKS.register_module()
class SWAHook(Hook):
    """Averages the weights of the last epochs with equal shares (SWA, arXiv 1803.05407).

    The weights that each of the last ``epochs`` epochs ends with are averaged. When the last one is
    over, the model gets the average, and the statistics of its batch norms are taken anew, by a
    pass over the training data as they are augmented; then follow its validation and its
    checkpoint. Until then validations and checkpoints are of the weights in training; the average
    is kept beside them, as ``swa_state_dict``, so that a resumed run equals the undisturbed one.

    The rate should stay up in these epochs. Constant, for the last 5 of 20::

        dict(type="CosineAnnealingLR", eta_min=0.01, end=15, convert_to_iter_based=True)

    or cyclic, from 0.3 times the optimizer's rate to 0.001 in each epoch, by a second schedule::

        dict(
            type="CosineRestartLR",
            periods=[1] * 5,
            restart_weights=[0.3] * 5,
            eta_min=0.001,
            begin=15,
            convert_to_iter_based=True,
        )

    Statistics that are frozen stay.

    Args:
        epochs: how many.

    Raises:
        ValueError: if ``epochs`` is less than 2 or, in training, more than the run has; if the run
            is counted in iterations, or has a `ModelEMAHook` too.
    """

    def __init__(self, epochs: int) -> None:
        if epochs < 2:
            raise ValueError(f"SWAHook got epochs={epochs}; expected 2 or more to average")
        self.epochs = epochs
        self.number = 0
        self._average: dict[str, Tensor] = {}
        make: Any = get_swa_multi_avg_fn  # without types
        self._update = make()

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """On resuming, take the average so far."""
        if runner._resume:
            state = dict(checkpoint.pop("swa_state_dict", {"number": 0}))
            self.number = int(state.pop("number"))
            self._average = state

    def before_train(self, runner: Any) -> None:
        """Look at the run."""
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                "SWAHook averages at the ends of epochs, and this run is counted in iterations. Set "
                "train_cfg=dict(by_epoch=True, max_epochs=...)."
            )
        if self.epochs > runner.max_epochs:
            raise ValueError(
                f"SWAHook got epochs={self.epochs}, but the run has {runner.max_epochs}. Average "
                "fewer."
            )
        if any(isinstance(hook, ModelEMAHook) for hook in runner.hooks):
            raise ValueError(
                "SWAHook and ModelEMAHook both say what is validated and saved. Leave one out."
            )
        self.after_roll_back(runner)

    def after_roll_back(self, runner: Any) -> None:
        """Put the average of the checkpoint that was loaded where the weights are."""
        for name, weight in _bare(runner.model).named_parameters():
            if name in self._average:
                self._average[name] = share_like(self._average[name], weight).to(weight.device)

    @torch.no_grad()
    def after_train_epoch(self, runner: Any) -> None:
        """Take the weights in, and put the average into the model if this was the last epoch."""
        left = runner.max_epochs - (runner.epoch + 1)
        if left >= self.epochs:
            return
        weights = dict(_bare(runner.model).named_parameters())
        if not self._average:
            self._average = {name: value.detach().clone() for name, value in weights.items()}
        else:
            pairs = [(own_share(self._average[n]), own_share(w)) for n, w in weights.items()]
            averages, present = (list(column) for column in zip(*pairs, strict=True))
            self._update(averages, present, self.number)
        self.number += 1
        if left:
            return
        for name, value in weights.items():
            value.copy_(self._average[name])
        self._average, number = {}, self.number
        self.number = 0
        runner.logger.info(
            f"the model is the average of {number} epochs now; its batch norms take their "
            "statistics from the training data"
        )
        _take_statistics(runner)

    def after_train(self, runner: Any) -> None:
        """Say so if the run was stopped before the average was used."""
        if self._average:
            runner.logger.warning(
                f"training ended before its last epoch: the average of {self.number} epochs is not "
                "used"
            )

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Save the average so far beside the weights."""
        if self._average:
            number = torch.tensor(self.number)
            checkpoint["swa_state_dict"] = {"number": number, **self._average}


def _take_statistics(runner: Any) -> None:
    """Batch norm's statistics of the present weights, over one pass of the training data."""
    model = _bare(runner.model)
    model.train()
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    frozen = [norm for norm in norms if not norm.training]
    kept = [(b, b.clone()) for norm in frozen for b in norm.buffers()]
    update_bn(_images(runner), _Features(model))
    for buffer, before in kept:
        buffer.copy_(before)
    if get_world_size() > 1:  # the mean over all batches is that of the processes' means
        buffers = [b for norm in norms for b in norm.buffers() if b.is_floating_point()]
        all_reduce_params(buffers, op="mean")


def _images(runner: Any) -> Iterator[Tensor]:
    prepare = _bare(runner.model).data_preprocessor
    for batch in batches_from(runner.train_dataloader, runner.epoch, 0):
        yield prepare(batch, training=True)


class _Features(nn.Module):
    """A model as torch's function calls it: with one argument."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, prepared: dict[str, Any]) -> None:
        self.model(prepared["inputs"], prepared.get("data_samples"), mode="tensor")


def _bare(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model
