from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch.utils.data import Dataset

from tresnet_tasks.datasets import EpochIndex, RepeatFactorSampler
from tresnet_tasks.datasets.repeat_factor_sampler import repeat_factors


class Images(Dataset):
    """1 of 100 images has class 1, each has class 0; the last has none."""

    def __len__(self) -> int:
        return 100

    def get_cat_ids(self, index: int) -> list[int]:
        return [] if index == 99 else [0, 1] if index == 5 else [0]


def drawn(sampler: RepeatFactorSampler, epoch: int) -> list[EpochIndex]:
    sampler.set_epoch(epoch)
    return list(sampler)


def test_the_factors_are_those_of_the_formula() -> None:
    factors = repeat_factors(Images(), 0.08)
    assert factors[5].item() == pytest.approx(math.sqrt(0.08 / 0.01))
    assert torch.equal(factors[torch.arange(100) != 5], torch.ones(99, dtype=torch.float64))


def test_a_rare_image_comes_its_factor_many_times_on_average() -> None:
    sampler = RepeatFactorSampler(Images(), 0.08, seed=0)
    counts = [Counter(map(int, drawn(sampler, epoch)))[5] for epoch in range(200)]
    assert set(counts) <= {2, 3}
    assert sum(counts) / 200 == pytest.approx(math.sqrt(8), abs=0.1)


def test_every_epoch_has_as_many_samples_and_each_image_at_least_once() -> None:
    sampler = RepeatFactorSampler(Images(), 0.5, seed=3)
    for epoch in range(5):
        indices = drawn(sampler, epoch)
        assert len(indices) == len(sampler) == math.ceil(sampler.factors.sum())
        assert set(map(int, indices)) == set(range(100))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    sampler, same = (RepeatFactorSampler(Images(), 0.5, seed=3) for _ in range(2))
    assert drawn(sampler, 1) == drawn(same, 1) != drawn(same, 2)
    assert drawn(RepeatFactorSampler(Images(), 0.5, seed=4), 1) != drawn(sampler, 1)


def test_repeats_of_an_epoch_are_not_augmented_alike() -> None:
    repeats = [i for i in drawn(RepeatFactorSampler(Images(), 0.5, seed=3), 7) if i == 5]
    assert len({index.epoch for index in repeats}) == len(repeats) > 2
    assert min(index.epoch for index in repeats) == 7


def test_ranks_share_the_epoch_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "tresnet_tasks.datasets.samplers.get_dist_info"
    whole = drawn(RepeatFactorSampler(Images(), 0.5, seed=3), 0)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(name, lambda rank=rank: (rank, 2))
        parts.append(drawn(RepeatFactorSampler(Images(), 0.5, seed=3), 0))
    assert len(parts[0]) == len(parts[1])
    assert Counter(parts[0] + parts[1]) - Counter(whole) <= Counter(whole[:1])


def test_an_interrupted_epoch_goes_on_where_it_was() -> None:
    sampler = RepeatFactorSampler(Images(), 0.5, seed=3)
    whole = drawn(sampler, 2)
    sampler.set_epoch(2, start=30)
    assert list(sampler) == whole[30:]


def test_without_shuffling_the_order_is_that_of_the_images() -> None:
    indices = drawn(RepeatFactorSampler(Images(), 0.5, shuffle=False, seed=0), 0)
    assert indices == sorted(indices)


@pytest.mark.parametrize("threshold", [0, -1, 1.5])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="expected a share of the images"):
        RepeatFactorSampler(Images(), threshold)


def test_data_without_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="list, which has no get_cat_ids"):
        RepeatFactorSampler([1, 2], 0.5)
