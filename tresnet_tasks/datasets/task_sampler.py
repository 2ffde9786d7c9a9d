"""How many images of each data set make a step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from ..registry import DATA_SAMPLERS
from ..upstream.console import tell
from .samplers import EpochIndex


@DATA_SAMPLERS.register_module()
class TaskSampler(Sampler[EpochIndex]):
    """Draw steps of a fixed composition from a :class:`MultiTaskDataset`.

    Each step takes the same number of images of each data set, on every process: so all processes
    train the same heads. Each data set is gone through in an order of its own, again and again; an
    image is not seen a second time before all others of its data set have been seen. So an epoch is
    a number of steps: by default those that the data set needs which takes longest.

    The order depends on (seed, position) alone; a run can go on at any step.

    Args:
        dataset: with ``sizes``, the number of images by name.
        batch_size: images a step and process; what the data loader has. It may be left out in
            configs where ``images`` says it.
        images: of each data set in a step, by name.
        proportions: of each data set in the batch, by name; any positive numbers.
            Without ``images`` and ``proportions``, by size.
        epoch_of: name of the data set whose one pass is an epoch; None for the longest pass.
        seed: of the order, the same on every rank; None takes a random one that the ranks agree on.

    Raises:
        ValueError: if names do not match the data sets, a data set gets no image, or the numbers do
            not add up to ``batch_size``.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        images: Mapping[str, int] | None = None,
        proportions: Mapping[str, float] | None = None,
        epoch_of: str | None = None,
        seed: int | None = None,
    ) -> None:
        self.rank, self.world_size = get_dist_info()
        self.sizes: dict[str, int] = dict(dataset.sizes)
        self.images = _composition(self.sizes, batch_size, images, proportions)
        self.seed: int = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self.start = 0
        passes = {
            name: math.ceil(size / (self.images[name] * self.world_size))
            for name, size in self.sizes.items()
        }
        if epoch_of is not None and epoch_of not in passes:
            raise ValueError(
                f"epoch_of={epoch_of!r}, but the data sets are {', '.join(passes)}. Name one."
            )
        longest = max(passes, key=lambda name: passes[name])
        self.steps = passes[epoch_of or longest]
        self.batch_size = batch_size
        self._tell(epoch_of or longest)

    def __iter__(self) -> Iterator[EpochIndex]:
        """Yield this rank's images of the current epoch, step by step."""
        epoch, start, self.start = self.epoch, self.start, 0
        orders: dict[tuple[str, int], torch.Tensor] = {}
        skipped = start
        for step in range(epoch * self.steps, (epoch + 1) * self.steps):
            if skipped >= self.batch_size:  # whole steps that an interrupted epoch has used
                skipped -= self.batch_size
                continue
            offset = 0
            drawn = []
            for name, size in self.sizes.items():
                count = self.images[name]
                first = (step * self.world_size + self.rank) * count
                for position in range(first, first + count):
                    turn, place = divmod(position, size)
                    if (name, turn) not in orders:
                        orders.pop((name, turn - 2), None)
                        orders[name, turn] = self._order(name, turn)
                    drawn.append(EpochIndex(offset + int(orders[name, turn][place]), turn))
                offset += size
            yield from drawn[skipped:]
            skipped = 0

    def __len__(self) -> int:
        """How many images this rank draws in a whole epoch."""
        return int(self.steps * self.batch_size)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch of the next iteration.

        Args:
            epoch: from 0.
            start: how many images of this rank to leave out at the front of the next iteration, and
                of that alone.
        """
        self.epoch = epoch
        self.start = start

    def _order(self, name: str, turn: int) -> torch.Tensor:
        generator = torch.Generator()
        position = list(self.sizes).index(name)
        generator.manual_seed((self.seed * 1_000_003 + position) * 1_000_003 + turn)
        return torch.randperm(self.sizes[name], generator=generator)

    def _tell(self, measure: str) -> None:
        parts = ", ".join(
            f"{self.images[name] * self.world_size} of {size:,} {name}"
            f" ({self.steps * self.images[name] * self.world_size / size:.2g} passes)"
            for name, size in self.sizes.items()
        )
        tell(
            f"an epoch is {self.steps} steps, one pass over {measure}; a step takes {parts}",
        )
        for name, size in self.sizes.items():
            if size < self.images[name] * self.world_size:
                tell(
                    f"data set {name} has {size} images, fewer than a step takes: some are drawn "
                    "twice in one step. Lower its share of the batch.",
                )


def _composition(
    sizes: Mapping[str, int],
    batch_size: int,
    images: Mapping[str, int] | None,
    proportions: Mapping[str, float] | None,
) -> dict[str, int]:
    """How many images of each data set a step takes."""
    if images is not None and proportions is not None:
        raise ValueError("TaskSampler got images and proportions; give one of them.")
    given: Mapping[str, float] = images or proportions or sizes
    if set(given) != set(sizes):
        raise ValueError(
            f"the sampler names {', '.join(sorted(given))}, but the data sets are "
            f"{', '.join(sizes)}. Name each of them once."
        )
    if any(value <= 0 for value in given.values()):
        raise ValueError(f"the sampler got {dict(given)}; each data set needs a positive number.")
    if images is not None:
        if sum(images.values()) != batch_size:
            raise ValueError(
                f"images={dict(images)} add up to {sum(images.values())}, but the data loader has "
                f"batch_size={batch_size}. Make them equal, or leave batch_size out."
            )
        return {name: int(images[name]) for name in sizes}
    if batch_size < len(sizes):
        raise ValueError(
            f"batch_size={batch_size} is less than the number of data sets, {len(sizes)}; a step "
            "takes at least one image of each."
        )
    # Largest remainders, at least one each.
    total = sum(given.values())
    exact = {name: given[name] / total * batch_size for name in sizes}
    counts = {name: max(1, math.floor(share)) for name, share in exact.items()}
    while sum(counts.values()) < batch_size:
        counts[max(counts, key=lambda name: exact[name] - counts[name])] += 1
    while sum(counts.values()) > batch_size:
        large = [name for name, count in counts.items() if count > 1]
        counts[min(large, key=lambda name: exact[name] - counts[name])] -= 1
    return counts
