"""A copy of the model in every process: DDP."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from mmengine.model import MMDistributedDataParallel
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..layers import SyncABN
from ..registry import MODEL_WRAPPERS

# Its name in the installed torch, whose newer versions warn of the old one.
_SEND_BUFFERS = (
    "forward_sync_buffers"
    if "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
    else "broadcast_buffers"
)


@MODEL_WRAPPERS.register_module()
class ReplicatedModel(MMDistributedDataParallel):
    """mmengine's DDP wrapper, on GPUs and, through gloo, on CPUs; gradients are averaged.

    The default of distributed runs; also what ``MMDistributedDataParallel`` in a config stands for.
    Buffers are not sent at each step: `SameBuffersHook` does it before each validation.

    Args:
        module: the model, on its device.
        sync_bn: whether batch norms take their statistics over all processes, see `SyncABN`; in
            configs set the top-level key ``sync_bn=True``.
        device_ids: the GPU of this process; ignored for a model on the CPU.
        **kwargs: torch's ``DistributedDataParallel`` arguments, such as ``find_unused_parameters``.
    """

    def __init__(
        self,
        module: nn.Module,
        sync_bn: bool = False,
        device_ids: list[int] | None = None,
        **kwargs: Any,
    ) -> None:
        if sync_bn:
            SyncABN.convert(module)
        if getattr(getattr(module, "data_preprocessor", None), "channels_last", False):
            # Before DDP lays its buckets of gradients out like the parameters.
            module.to(memory_format=torch.channels_last)
        if next(module.parameters()).device.type == "cpu":
            device_ids = None
        if "broadcast_buffers" not in kwargs:
            kwargs.setdefault(_SEND_BUFFERS, False)
        super().__init__(module, device_ids=device_ids, **kwargs)
