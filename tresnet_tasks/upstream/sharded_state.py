"""Shares of whole tensors, for a model whose parameters are split over the processes.

``load_state_dict`` of modules and optimizers refuses whole tensors where the model holds shares
(torch up to 2.15: "got mixed torch.Tensor and DTensor"). Can go when both take the whole state dicts
of ``fully_shard`` models.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def is_sharded(module: Any) -> bool:
    """Whether a module's parameters are shares."""
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())


def own_share(value: Any) -> Any:
    """What this process has of a tensor, in the same memory; the tensor itself where it is whole."""
    return value.to_local() if isinstance(value, DTensor) else value


def share_like(value: Any, like: Any) -> Any:
    """This process's share of a whole tensor, split as ``like`` is.

    Args:
        value: the same whole tensor on every process; anything else comes back as it is.
        like: a parameter of the model; if it is whole itself, or of another shape, so is what comes
            back.
    """
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    # None: every process has the whole, nothing needs to be sent.
    return distribute_tensor(
        value.to(like.device), like.device_mesh, like.placements, src_data_rank=None
    )


def share_optimizer_state(state: dict[str, Any], optim_wrapper: Any) -> dict[str, Any]:
    """The whole state dict of an optimizer wrapper, or of several, split as its parameters are."""
    inner = getattr(optim_wrapper, "optim_wrappers", None)
    if inner is not None:  # mmengine's OptimWrapperDict
        return {key: share_optimizer_state(state[key], inner[key]) for key in inner}
    groups = optim_wrapper.optimizer.param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    shared = {
        index: {name: share_like(value, parameters[index]) for name, value in entry.items()}
        for index, entry in state["state"].items()
    }
    return {**state, "state": shared}
