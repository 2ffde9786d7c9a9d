"""Order of the samples, and how ranks share them; mmengine's sampler is the oracle."""

from __future__ import annotations

import pickle

import pytest
from mmengine.dataset import DefaultSampler

from tresnet_tasks.datasets import EpochIndex, EpochSampler, samplers
from tresnet_tasks.registry import DATA_SAMPLERS


def _ranks(
    monkeypatch: pytest.MonkeyPatch, size: int, world_size: int, **kwargs: bool
) -> list[EpochSampler]:
    made = []
    for rank in range(world_size):
        monkeypatch.setattr(samplers, "get_dist_info", lambda rank=rank: (rank, world_size))
        made.append(EpochSampler(range(size), seed=3, **kwargs))
    return made


@pytest.mark.parametrize("shuffle", [False, True])
def test_same_order_as_mmengines(shuffle: bool) -> None:
    ours, theirs = (
        kind(range(17), shuffle=shuffle, seed=3) for kind in (EpochSampler, DefaultSampler)
    )
    for epoch in range(3):
        ours.set_epoch(epoch)
        theirs.set_epoch(epoch)
        assert list(ours) == list(theirs)


def test_the_epoch_travels_with_the_index() -> None:
    sampler = EpochSampler(range(3), seed=0)
    sampler.set_epoch(7)
    assert [index.epoch for index in sampler] == [7, 7, 7]


def test_an_epoch_index_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(EpochIndex(4, 9)))
    assert (again, again.epoch) == (4, 9)
    assert [10, 11, 12, 13, 14][again] == 14


@pytest.mark.parametrize(("size", "world_size"), [(8, 2), (7, 2), (7, 3), (2, 5)])
def test_ranks_draw_equally_many_and_every_sample(
    monkeypatch: pytest.MonkeyPatch, size: int, world_size: int
) -> None:
    shares = [list(s) for s in _ranks(monkeypatch, size, world_size)]
    assert len({len(share) for share in shares}) == 1
    assert {int(index) for share in shares for index in share} == set(range(size))


@pytest.mark.parametrize(("size", "world_size"), [(8, 2), (7, 2), (7, 3), (2, 5)])
def test_an_evaluation_without_rounding_repeats_nothing(
    monkeypatch: pytest.MonkeyPatch, size: int, world_size: int
) -> None:
    ranks = _ranks(monkeypatch, size, world_size, shuffle=False, round_up=False)
    drawn = sorted(int(index) for sampler in ranks for index in sampler)
    assert drawn == list(range(size))
    assert [len(sampler) for sampler in ranks] == [len(list(sampler)) for sampler in ranks]


def test_an_interrupted_epoch_goes_on_where_it_stopped() -> None:
    sampler = EpochSampler(range(10), seed=1)
    sampler.set_epoch(2)
    whole = list(sampler)
    sampler.set_epoch(2, start=4)
    assert list(sampler) == whole[4:]
    assert list(sampler) == whole


def test_an_empty_data_set() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        EpochSampler([])


def test_it_is_built_as_mmengine_builds_samplers() -> None:
    config = dict(type="EpochSampler", shuffle=False)
    sampler = DATA_SAMPLERS.build(config, default_args=dict(dataset=range(3), seed=4))
    assert list(sampler) == [0, 1, 2]
