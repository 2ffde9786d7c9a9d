"""Losses that are sums, in steps made of several batches."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def is_sum(loss_module: nn.Module | None) -> bool:
    """Whether a loss grows with the batch."""
    return getattr(loss_module, "reduction", None) == "sum"


def step_loss(task: Any, loss: Tensor) -> Tensor:
    """What a batch's loss counts in a step of the optimizer.

    The step has the mean of the gradients of its ``batches_a_step`` batches: those of all processes
    and, with accumulation, one after the other. So that a summed loss stays the sum over the whole
    step, as with one large batch, each counts ``batches_a_step`` times. Outside training a loss is
    left as it is.

    Args:
        task: ``SingleLabel`` or ``MultiLabel``, with ``loss_module`` and ``batches_a_step``.
        loss: what the loss module returned.
    """
    if task.training and task.batches_a_step > 1 and is_sum(task.loss_module):
        loss = loss * task.batches_a_step
    return loss
