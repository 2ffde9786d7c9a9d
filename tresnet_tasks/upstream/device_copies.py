"""The images of the next step are copied to the GPU while it computes this one.

mmengine (0.10.7, the newest) copies a batch when its step begins, on the stream that computes it,
and waits for each step's loss before it fetches the next batch: the GPU idles for the length of a
copy, at every step. Can go when mmengine copies ahead.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor


def copied_ahead(batches: Iterator[Any], loader: Any, device: torch.device) -> Iterator[Any]:
    """The batches, unchanged but for their images, which are on the GPU or on their way there.

    A batch that cannot be fetched ends the run one step earlier than without this.

    Args:
        batches: dicts with ``inputs``, a tensor or a list of such; others are left alone. Images
            in pinned memory are copied, which the loader's ``pin_memory`` gives: with any other
            the copy would wait.
        loader: where they come from. Without workers nothing is done: its transforms draw from the
            generators of this process, which are to be drawn from in the order of the steps.
        device: where the model is; nothing is done for any but a CUDA one.
    """
    ahead = device.type == "cuda" and loader.num_workers
    return one_ahead(batches, device) if ahead else batches


def one_ahead(batches: Iterator[Any], device: torch.device) -> Iterator[Any]:
    """As ``copied_ahead``: a batch is fetched before the one before it is used."""
    streams = torch.get_device_module(device)
    beside = _beside(device)
    ready: tuple[Any, torch.Event] | None = None
    for batch in batches:
        with streams.stream(beside):
            coming = _copied(batch, device), beside.record_event()
        if ready is not None:
            yield _awaited(*ready, streams.current_stream(device))
        ready = coming
    if ready is not None:
        yield _awaited(*ready, streams.current_stream(device))


@cache
def _beside(device: torch.device) -> Any:
    """One stream for the whole run: freed memory is kept for the stream that it was taken on."""
    return torch.get_device_module(device).Stream(device)


def _copied(batch: Any, device: torch.device) -> Any:
    images = batch.get("inputs") if isinstance(batch, dict) else None
    if isinstance(images, Tensor):
        return {**batch, "inputs": _moved(images, device)}
    if isinstance(images, list | tuple):
        return {**batch, "inputs": [_moved(image, device) for image in images]}
    return batch  # of another kind: mmdet's branches are a dict


def _moved(image: Any, device: torch.device) -> Any:
    pinned = isinstance(image, Tensor) and image.is_pinned()
    return image.to(device, non_blocking=True) if pinned else image


def _awaited(batch: Any, copied: torch.Event, computing: torch.Stream) -> Any:
    """The batch, once the stream that computes has been told to wait for its copy."""
    computing.wait_event(copied)
    images = batch.get("inputs") if isinstance(batch, dict) else None
    for image in images if isinstance(images, list | tuple) else [images]:
        if isinstance(image, Tensor) and image.device.type != "cpu":
            # Its memory is not to be given to a later copy before this stream has used it.
            image.record_stream(computing)
    return batch
