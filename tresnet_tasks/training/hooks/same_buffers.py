"""The same running statistics in every process."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import is_distributed
from mmengine.hooks import Hook
from torch import Tensor, distributed


class SameBuffersHook(Hook):
    """Before a validation or test, gives every process the buffers of rank 0.

    Of rank 0 and not the average of all: rank 0's are those in the checkpoint, so that no other's
    ever count, and a run that was resumed at any moment equals the undisturbed one. (An average
    would have to be taken at the same moments in both.) With ``sync_bn=True`` they are equal in any
    case, and of all the data.
    """

    # After the averaged weights have been put into the model, whose buffers are averages too.
    priority = "LOW"

    def before_val_epoch(self, runner: Any) -> None:
        """Send the buffers."""
        send_buffers(runner.model)

    def before_test_epoch(self, runner: Any) -> None:
        """Send the buffers."""
        send_buffers(runner.model)


@torch.no_grad()
def send_buffers(model: torch.nn.Module) -> None:
    """Copy rank 0's buffers to all processes, one message for each type of number."""
    if not is_distributed():
        return
    by_type: dict[torch.dtype, list[Tensor]] = {}
    for buffer in model.buffers():
        by_type.setdefault(buffer.dtype, []).append(buffer)
    for buffers in by_type.values():
        packed = torch.cat([buffer.flatten() for buffer in buffers])
        distributed.broadcast(packed, src=0)
        for buffer, sent in zip(
            buffers, packed.split_with_sizes([b.numel() for b in buffers]), strict=True
        ):
            buffer.copy_(sent.view_as(buffer))
