"""What autograd holds between the forward and the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn


def saved_bytes(model: nn.Module, run: Callable[[], Tensor]) -> int:
    """Bytes of the distinct storages that ``run`` leaves behind for its backward pass.

    Parameters and buffers of ``model`` are not counted; a tensor that an autograd function hangs on
    its ``ctx``, past the saved-tensor hooks, is. What a non-reentrant checkpoint hides is not: see
    the peak beside it.
    """
    found: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        out = run()
    for tensor in _on_contexts(out):
        note(tensor)
    for own in [*model.parameters(), *model.buffers()]:
        found.pop(own.untyped_storage().data_ptr(), None)
    return sum(found.values())


def _on_contexts(out: Tensor) -> Iterator[Tensor]:
    """Tensors in the attributes of the autograd graph's nodes."""
    waiting, seen = [out.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting.extend(following for following, _ in node.next_functions)
        yield from _tensors(getattr(node, "__dict__", {}))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.buffers()
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _tensors(item)
