"""A warning of a last batch that is too small."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook


class SmallBatchHook(Hook):
    """Warns, when training starts, that the last batch of each epoch will be a single image.

    Batch norm then takes its statistics from that image alone; at 32 px, where the last feature map is one pixel,
    there are none to take and training would end with an error.
    """

    def before_train(self, runner: Any) -> None:
        """Work out the size of the last batch."""
        loader = runner.train_dataloader
        size = getattr(loader, "batch_size", None)
        sampler = getattr(loader, "sampler", None)
        if size is None or sampler is None or loader.drop_last or not hasattr(sampler, "__len__"):
            return
        if len(sampler) % size == 1 or size == 1:
            runner.logger.warning(
                f"the last batch of each epoch has a single image ({len(sampler)} images in batches of {size}), too "
                "few for batch norm. Set train_dataloader.drop_last=True or another batch_size."
            )
