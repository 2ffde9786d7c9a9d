"""The same images in a step of the optimizer, when a run goes on with other processes than before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.config import Config


def keep_global_batch(
    cfg: Config, before: dict[str, Any] | None, processes: int, say: Callable[[str], object]
) -> None:
    """Fit a config, in place, so that a step has as many images as in the resumed run.

    By other ``optim_wrapper.accumulative_counts`` if that is possible, as it leaves the memory of a
    process as it is, and otherwise by another ``train_dataloader.batch_size``. In a run that counts
    iterations by the latter alone: an iteration would have other images.

    Args:
        cfg: of the run to come.
        before: ``batch_size``, ``processes`` and ``accumulation`` that the checkpoint states; None
            if it does not.
        processes: of the run to come.
        say: called with a line on what was changed.

    Raises:
        ValueError: if there are other processes and no such fit.
    """
    if not before or before["processes"] == processes or not before.get("batch_size"):
        return
    size = cfg.train_dataloader.get("batch_size")
    window = cfg.optim_wrapper.get("accumulative_counts", 1)
    an_iteration = before["batch_size"] * before["processes"]
    images = an_iteration * before["accumulation"]
    by_epoch = cfg.train_cfg.get("max_epochs") is not None
    if size * window * processes == images and (by_epoch or size * processes == an_iteration):
        return
    then = (
        f"the resumed run made its steps of {before['processes']} processes x "
        f"{before['batch_size']} images x {before['accumulation']} accumulated = {images}"
    )
    if by_epoch and images % (size * processes) == 0:
        cfg.optim_wrapper.accumulative_counts = images // (size * processes)
        changed = f"optim_wrapper.accumulative_counts={cfg.optim_wrapper.accumulative_counts}"
    elif by_epoch and images % (window * processes) == 0:
        cfg.train_dataloader.batch_size = images // (window * processes)
        changed = f"train_dataloader.batch_size={cfg.train_dataloader.batch_size}"
    elif not by_epoch and an_iteration % processes == 0:
        cfg.train_dataloader.batch_size = an_iteration // processes
        cfg.optim_wrapper.accumulative_counts = before["accumulation"]
        changed = f"train_dataloader.batch_size={cfg.train_dataloader.batch_size}"
    else:
        raise ValueError(
            f"{then}, which {processes} processes cannot share evenly. Start as many processes as "
            f"divide {images if by_epoch else an_iteration}, or begin a new run from its weights "
            "with load_from."
        )
    say(f"{then}; {processes} processes make the same with {changed}")
