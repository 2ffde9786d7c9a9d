"""A share of the model in every process: FSDP2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapper
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from ..backbones.residual_blocks import BLOCKS
from ..layers import SyncABN
from ..registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class ShardedModel(nn.Module):
    """Parameters, gradients and optimizer state split over the processes (``fully_shard``).

    Chosen by ``model_wrapper_cfg=dict(type='ShardedModel')``. It computes what `ReplicatedModel`
    computes, in less memory and with more exchange. Checkpoints are the same whole files: written
    by either, resumed by either, in a single process too. Buffers stay whole on every process.

    Args:
        module: the model, whole and on its device. It is initialised here, because afterwards no
            process has it whole, and rank 0's is taken by all.
        sync_bn: as for `ReplicatedModel`.
        units: names of submodules whose parameters are gathered together, such as
            ``('backbone.stage1', 'backbone.stage2')``; None for every residual block of a TResNet.
            What lies in no unit is gathered for the whole step.
        reshard_after_forward: whether a unit's parameters are given up between its forward and its
            backward pass; False keeps them, which needs more memory and less exchange.

    Raises:
        ValueError: if a unit is not a submodule.
    """

    def __init__(
        self,
        module: Any,
        sync_bn: bool = False,
        units: Sequence[str] | None = None,
        reshard_after_forward: bool = True,
    ) -> None:
        super().__init__()
        parts = _units(module, units)
        if hasattr(module, "init_weights"):
            module.init_weights()
        if sync_bn:
            SyncABN.convert(module)
        device = next(module.parameters()).device.type
        with torch.no_grad():
            for value in module.state_dict().values():
                distributed.broadcast(value, src=0)
        mesh = init_device_mesh(device, (get_world_size(),))
        for part in parts:
            fully_shard(part, mesh=mesh, reshard_after_forward=reshard_after_forward)
        self.module: Any = fully_shard(module, mesh=mesh)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model."""
        return self.module(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One step on this process's part of the batch, as ``BaseModel.train_step``."""
        model: FSDPModule = self.module
        # Micro-batches that do not step yet keep their gradients to themselves.
        model.set_requires_gradient_sync(optim_wrapper.should_sync())
        with optim_wrapper.optim_context(self):
            data = self.module.data_preprocessor(data, training=True)
            losses = self.module(**data, mode="loss")
        loss, logged = self.module.parse_losses(losses)
        optim_wrapper.update_params(loss)
        found: dict[str, Tensor] = logged
        return found

    def val_step(self, data: Any) -> Any:
        """Predictions for a batch of the validation."""
        predictions = self.module.val_step(data)
        self._give_up_whole()
        return predictions

    def test_step(self, data: Any) -> Any:
        """Predictions for a batch of a test."""
        predictions = self.module.test_step(data)
        self._give_up_whole()
        return predictions

    def _give_up_whole(self) -> None:
        """What a backward pass would do: hooks find the shares again, not the whole parameters."""
        for part in self.module.modules():
            if isinstance(part, FSDPModule):
                part.reshard()


def _units(module: nn.Module, names: Sequence[str] | None) -> list[nn.Module]:
    if names is None:
        return [part for part in module.modules() if isinstance(part, tuple(BLOCKS.values()))]
    known = dict(module.named_modules())
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"ShardedModel: units names {unknown[0]!r}, which is no part of the model; its parts are "
            f"{', '.join(name for name, _ in module.named_children())} and what is inside them."
        )
    return [known[name] for name in names]
