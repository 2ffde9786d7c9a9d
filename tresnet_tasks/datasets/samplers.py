"""Which sample comes when, and in which epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from ..registry import DATA_SAMPLERS


class EpochIndex(int):
    """The index of a sample that also says in which epoch it is drawn.

    An ``int`` in every other respect. It carries the epoch to workers, persistent ones too, which
    have no other way to learn it.

    Args:
        index: of the sample in its data set.
        epoch: from 0.
    """

    epoch: int

    def __new__(cls, index: int, epoch: int = 0) -> EpochIndex:
        """Make an index of the given epoch."""
        self = super().__new__(cls, index)
        self.epoch = epoch
        return self

    def __reduce__(self) -> tuple[type[EpochIndex], tuple[int, int]]:
        return EpochIndex, (int(self), self.epoch)

    def __repr__(self) -> str:
        return f"EpochIndex({int(self)}, epoch={self.epoch})"


@DATA_SAMPLERS.register_module()
class EpochSampler(Sampler[EpochIndex]):
    """Every sample once an epoch, split over the ranks; yields ``EpochIndex``.

    The order depends on (seed, epoch) alone; rank r takes the entries r, r + world size, ... of it.

    Args:
        dataset: anything with a length of at least 1.
        shuffle: a new order each epoch; without it 0, 1, 2, ...
        seed: of the order, the same on every rank; None takes a random one that the ranks agree on.
        round_up: repeat samples from the start so that every rank gets equally many. With False, in
            an evaluation, ranks may differ by one sample and none is repeated.

    Raises:
        ValueError: if the data set is empty.
    """

    def __init__(
        self, dataset: Sized, shuffle: bool = True, seed: int | None = None, round_up: bool = True
    ) -> None:
        if len(dataset) == 0:
            raise ValueError("EpochSampler got an empty data set; it needs at least one sample.")
        rank, world_size = get_dist_info()
        self.rank: int = rank
        self.world_size: int = world_size
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed: int = sync_random_seed() if seed is None else seed
        self.round_up = round_up
        self.epoch = 0
        self.start = 0
        size = len(dataset)
        self.total_size = math.ceil(size / self.world_size) * self.world_size if round_up else size

    def __iter__(self) -> Iterator[EpochIndex]:
        """Yield this rank's samples of the current epoch."""
        order = self.order(torch.Generator().manual_seed(self.seed + self.epoch))
        # The remainder may exceed the data set when there are more ranks than samples.
        order = order.repeat(math.ceil(self.total_size / len(order)))[: self.total_size]
        epoch, start, self.start = self.epoch, self.start, 0
        for index in order[self.rank :: self.world_size][start:].tolist():
            yield EpochIndex(index, epoch)

    def order(self, generator: torch.Generator) -> torch.Tensor:
        """The indices of all samples, (len(dataset),) int64, in the order of the current epoch."""
        size = len(self.dataset)
        return torch.randperm(size, generator=generator) if self.shuffle else torch.arange(size)

    def __len__(self) -> int:
        """How many samples this rank draws in a whole epoch."""
        return math.ceil((self.total_size - self.rank) / self.world_size)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch of the next iteration.

        Args:
            epoch: from 0.
            start: how many samples of this rank to leave out at the front of the next iteration,
                and of that alone: those which an interrupted epoch has already used.
        """
        self.epoch = epoch
        self.start = start
