"""Mean and variance over the batches of all processes, from those of each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable


def sum_over_processes(values: Tensor, group: Any = None) -> Tensor:
    """The sum of a tensor over all processes of a group; the tensor itself stays as it is.

    No autograd: for the backward passes of functions that normalise with `global_moments`, whose
    gradients of the statistics must be summed like this.
    """
    total = values.detach().clone()
    distributed.all_reduce(total, group=group)
    return total


def global_moments(
    mean: Tensor, var: Tensor, count: int, group: Any = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Moments of the values of all processes together.

    Exact for any number of values a process, none included, and without the cancellation that sums
    of squares suffer from (Chan, Golub and LeVeque, 1983). One exchange forward and one backward;
    all processes must call it, and go backward through it, the same number of times. Gradients flow
    to ``mean`` and ``var`` of every process; where autograd is off (inside a function with its own
    backward pass) none do.

    Args:
        mean: (C,) float, of this process; any finite value where ``count`` is 0.
        var: (C,) float, of this process, biased (the mean squared distance from ``mean``).
        count: values a channel in this process.
        group: the processes; None for all.

    Returns:
        (C,) mean, (C,) biased variance and the number of values a channel as a tensor of one, equal
        to the last bit on every process.
    """
    moments: tuple[Tensor, Tensor, Tensor] = _GlobalMoments.apply(mean, var, count, group)
    return moments


class _GlobalMoments(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, mean: Tensor, var: Tensor, count: int, group: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        mine = torch.cat([mean, var, mean.new_full((1,), count)])[None]
        gathered = mine.new_empty(distributed.get_world_size(group), mine.shape[1])
        distributed.all_gather_into_tensor(gathered, mine, group=group)
        means, variances = gathered[:, :-1].chunk(2, dim=1)
        counts = gathered[:, -1:]
        total = counts.sum()
        shares = counts / total
        overall = (shares * means).sum(0)
        spread = (shares * (variances + (means - overall).square())).sum(0)
        ctx.group = group
        ctx.save_for_backward(count / total, mean - overall)
        ctx.mark_non_differentiable(total)
        return overall, spread, total

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_mean: Tensor, grad_var: Tensor, _: Any
    ) -> tuple[Tensor, Tensor, None, None]:
        share, distance = ctx.saved_tensors
        grads = sum_over_processes(torch.cat([grad_mean, grad_var]), ctx.group)
        grad_mean, grad_var = grads.chunk(2)
        return share * (grad_mean + 2 * distance * grad_var), share * grad_var, None, None
