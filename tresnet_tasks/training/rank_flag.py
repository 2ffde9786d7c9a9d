"""One number that all ranks of a run agree on."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce, is_distributed


class RankFlag:
    """Tells every rank the highest of the numbers that the ranks give.

    Over gloo on the CPU, whatever the backend of the gradients: a few bytes a step, and no GPU has
    to be waited for. All ranks must make one, and ask it, in the same order.
    """

    def __init__(self) -> None:
        self._group = torch.distributed.new_group(backend="gloo") if is_distributed() else None

    def highest(self, value: int) -> int:
        """The highest ``value`` of all ranks; waits until each has asked."""
        if self._group is None:
            return value
        shared = torch.tensor(value)
        all_reduce(shared, "max", self._group)
        return int(shared)
