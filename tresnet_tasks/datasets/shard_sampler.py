"""An order of samples in which shards are read nearly from front to back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..registry import DATA_SAMPLERS
from .samplers import EpochSampler


@DATA_SAMPLERS.register_module()
class ShardSampler(EpochSampler):
    """The shards in a new order each epoch, and their samples shuffled within a buffer.

    What WebDataset's readers do, as an order of indices: no sample is held in memory, every one
    comes exactly once, and an epoch goes on in its middle. For disks that are slow at random access;
    on others `EpochSampler` shuffles better.

    Args:
        dataset: one with ``shard_sizes``, an ``ImageShards``.
        buffer: samples that are shuffled among each other: none comes more than so many places
            before or after its turn.
        shuffle: without it 0, 1, 2, ...
        seed: see ``EpochSampler``.
        round_up: see ``EpochSampler``.

    Raises:
        ValueError: if the data set has no shards, or ``buffer`` is less than 1.
    """

    def __init__(
        self,
        dataset: Any,
        buffer: int = 8192,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        if not hasattr(dataset, "shard_sizes"):
            raise ValueError(
                f"ShardSampler got a {type(dataset).__name__}, which has no shards. Use EpochSampler, "
                "or an ImageShards data set."
            )
        if buffer < 1:
            raise ValueError(f"ShardSampler got buffer={buffer}; expected 1 or more.")
        super().__init__(dataset, shuffle=shuffle, seed=seed, round_up=round_up)
        self.buffer = buffer

    def order(self, generator: torch.Generator) -> Tensor:
        """See the class."""
        samples = torch.arange(len(self.dataset))
        if not self.shuffle:
            return samples
        parts = samples.split_with_sizes(self.dataset.shard_sizes)  # type: ignore[attr-defined]
        drawn = torch.randperm(len(parts), generator=generator).tolist()
        in_turn = torch.cat([parts[part] for part in drawn])
        delay = torch.rand(len(samples), generator=generator, dtype=torch.float64) * self.buffer
        return in_turn[(samples + delay).argsort()]
