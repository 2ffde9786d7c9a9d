"""Images of rare classes several times an epoch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ..registry import DATA_SAMPLERS
from .samplers import EpochIndex, EpochSampler

# A repeated image is drawn as of an epoch this far off: its augmentations differ from each other's
# and depend on (seed, epoch, index) and which repeat it is alone.
_REPEAT = 1 << 32


class LabelledImages(Protocol):
    """What ``RepeatFactorSampler`` asks of a data set."""

    def __len__(self) -> int: ...

    def get_cat_ids(self, index: int) -> Sequence[int]:
        """The classes of an image."""
        ...


@DATA_SAMPLERS.register_module()
class RepeatFactorSampler(EpochSampler):
    """``EpochSampler`` in which images of rare classes come more than once (arXiv 1908.03195).

    A class that a share f of the images has gets the factor max(1, sqrt(threshold / f)), an image
    the largest of its classes', and comes that many times an epoch on average: rounded up or down
    anew in each epoch, so that every epoch has as many samples.

    Args:
        dataset: says by ``get_cat_ids`` which classes an image has.
        threshold: share of the images, in (0, 1], below which a class is rare; LVIS' is 0.001.
        shuffle, seed, round_up: see ``EpochSampler``.

    Raises:
        ValueError: for a threshold out of its range, or a data set that does not tell its labels.
    """

    def __init__(
        self,
        dataset: Any,
        threshold: float = 0.001,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold={threshold}; expected a share of the images in (0, 1].")
        if not hasattr(dataset, "get_cat_ids"):
            raise ValueError(
                f"RepeatFactorSampler got a {type(dataset).__name__}, which has no get_cat_ids; "
                "use a reader of this project, or EpochSampler."
            )
        super().__init__(dataset, shuffle, seed, round_up)
        self.factors = repeat_factors(dataset, threshold)
        self.size = math.ceil(self.factors.sum().item())
        ranks = self.world_size
        self.total_size = math.ceil(self.size / ranks) * ranks if round_up else self.size

    def __iter__(self) -> Iterator[EpochIndex]:
        """Yield this rank's samples of the current epoch."""
        generator = torch.Generator()
        generator.manual_seed(self.seed + self.epoch)
        counts = self._counts(generator)
        indices = torch.arange(len(counts)).repeat_interleave(counts)
        repeats = torch.arange(self.size) - (counts.cumsum(0) - counts)[indices]
        order = torch.arange(self.size)
        if self.shuffle:
            order = torch.randperm(self.size, generator=generator)
        order = order.repeat(math.ceil(self.total_size / self.size))[: self.total_size]
        epoch, start, self.start = self.epoch, self.start, 0
        own = order[self.rank :: self.world_size][start:]
        for index, repeat in zip(indices[own].tolist(), repeats[own].tolist(), strict=True):
            yield EpochIndex(index, epoch + repeat * _REPEAT)

    def _counts(self, generator: torch.Generator) -> Tensor:
        """(N,) int64, how often each image comes; they add up to ``size``."""
        # Rounding their running sum from a random offset on rounds each factor without bias, and
        # none by more than one.
        order = torch.randperm(len(self.factors), generator=generator)
        sums = self.factors[order].cumsum(0)
        offset = torch.rand((), generator=generator, dtype=torch.float64)
        ends = (sums * (self.size / sums[-1]) + offset).floor().long()
        ends[-1] = self.size  # whatever the rounding of the sum
        counts = torch.empty_like(ends)
        counts[order] = ends.diff(prepend=ends.new_zeros(1))
        return counts


def repeat_factors(dataset: LabelledImages, threshold: float) -> Tensor:
    """(N,) float64, how many times each image comes in an epoch on average; at least 1."""
    labels = [tuple(dataset.get_cat_ids(index)) for index in range(len(dataset))]
    counts = Counter(label for image in labels for label in set(image))
    by_class = {c: max(1.0, math.sqrt(threshold * len(labels) / n)) for c, n in counts.items()}
    factors = [max((by_class[label] for label in image), default=1.0) for image in labels]
    return torch.tensor(factors, dtype=torch.float64)
