"""Where a training loop stands, and how the data loader goes on from there."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .generators import generator_states, restore_generators


@dataclass(frozen=True)
class LoopPosition:
    """What of a training run is done.

    Counted by the loop as batches are used, not by the sampler: data workers are ahead of training.

    Attributes:
        epoch: completed epochs.
        iter: completed iterations, each of one (micro-)batch, of the whole run.
        batches: those of them that belong to the epoch that is not completed.
        validated: whether the validation that was due at this point has been made. A checkpoint is
            written before it, so that no epoch is lost if it fails; a resumed run makes up for it.
    """

    epoch: int = 0
    iter: int = 0
    batches: int = 0
    validated: bool = True


def batches_from(loader: Any, epoch: int, start: int) -> Iterator[Any]:
    """The batches of an epoch, from number ``start`` on.

    A sampler or iterable data set that has ``set_epoch(epoch, start)`` leaves the first ``start``
    samples of this rank out by itself. With any other the batches before are loaded and dropped:
    slow, but as exact.

    Args:
        loader: a data loader.
        epoch: from 0.
        start: batches of this rank that have been used already.
    """
    dropped = start
    # A batch sampler of its own kind: it may not use its samples in the order that it gets them.
    inner = getattr(loader.batch_sampler, "sampler", None)
    for owner in (loader.sampler, inner, loader.dataset):
        set_epoch = getattr(owner, "set_epoch", None)
        if set_epoch is None:
            continue
        if loader.batch_size and "start" in inspect.signature(set_epoch).parameters:
            set_epoch(epoch, start=start * loader.batch_size)
            dropped = 0
        else:
            set_epoch(epoch)
        break
    before = generator_states()
    batches = iter(loader)
    for _ in range(dropped):
        next(batches, None)
    if start:  # the undisturbed run drew a seed for its workers when the epoch began, not here
        restore_generators(before)
    yield from batches


def resumed_position(
    meta: dict[str, Any], loader: dict[str, Any], batches_an_epoch: int
) -> LoopPosition:
    """The position that a checkpoint tells, in batches of this run.

    Args:
        meta: of the checkpoint. One that does not tell ``batches`` (mmengine's) was taken after
            whole epochs and as many batches more as its ``iter`` says.
        loader: ``batch_size`` and ``processes`` of this run; where their product differs from the
            checkpoint's, the same number of samples is left out of the epoch.
        batches_an_epoch: of this run, each rank.
    """
    epoch, iteration = meta["epoch"], meta["iter"]
    rest = min(max(0, iteration - epoch * batches_an_epoch), batches_an_epoch)
    batches = meta.get("batches", rest)
    before, now = (_images(share) for share in (meta.get("loader", loader), loader))
    if before != now:
        batches = min(batches * before // now, batches_an_epoch)
        # Runs that count iterations alone have no epochs.
        counted = epoch * batches_an_epoch + batches
        iteration = counted if epoch or batches else iteration * before // now
    return LoopPosition(epoch, iteration, batches, meta.get("validated", True))


def _images(loader: dict[str, Any]) -> int:
    return (loader["batch_size"] or 1) * int(loader["processes"])
