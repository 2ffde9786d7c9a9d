from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tresnet_tasks.datasets import EpochIndex, TaskSampler

DATA = SimpleNamespace(sizes={"a": 10, "b": 4})


def steps(sampler: TaskSampler) -> list[list[EpochIndex]]:
    drawn = list(sampler)
    return [drawn[i : i + sampler.batch_size] for i in range(0, len(drawn), sampler.batch_size)]


def of(sampler: TaskSampler, name: str) -> list[int]:
    ids = [int(i) for i in sampler]
    return [i for i in ids if i < 10] if name == "a" else [i - 10 for i in ids if i >= 10]


def test_each_step_has_the_stated_composition() -> None:
    sampler = TaskSampler(DATA, 4, images={"a": 3, "b": 1}, seed=0)
    for step in steps(sampler):
        assert [int(i) < 10 for i in step] == [True, True, True, False]


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({}, {"a": 4, "b": 2}),
        ({"proportions": {"a": 1, "b": 1}}, {"a": 3, "b": 3}),
        ({"proportions": {"a": 0.99, "b": 0.01}}, {"a": 5, "b": 1}),
        ({"images": {"b": 5, "a": 1}}, {"a": 1, "b": 5}),
    ],
)
def test_shares_of_a_batch(given: dict[str, Any], counts: dict[str, int]) -> None:
    assert TaskSampler(DATA, 6, seed=0, **given).images == counts


def test_an_epoch_is_one_pass_over_the_data_that_takes_longest() -> None:
    sampler = TaskSampler(DATA, 3, images={"a": 2, "b": 1}, seed=0)
    assert len(sampler) == 5 * 3
    assert sorted(of(sampler, "a")) == list(range(10))


def test_an_epoch_may_be_a_pass_over_a_named_data_set() -> None:
    sampler = TaskSampler(DATA, 3, images={"a": 2, "b": 1}, epoch_of="b", seed=0)
    assert sorted(of(sampler, "b")) == list(range(4))


def test_no_image_comes_twice_before_all_others_came_once() -> None:
    sampler = TaskSampler(DATA, 3, images={"a": 2, "b": 1}, seed=0)
    drawn = []
    for epoch in range(4):
        sampler.set_epoch(epoch)
        drawn += of(sampler, "b")
    for start in range(0, 20, 4):
        assert sorted(drawn[start : start + 4]) == list(range(4))
    assert drawn[:4] != drawn[4:8]


def test_a_second_pass_draws_other_augmentations() -> None:
    sampler = TaskSampler(DATA, 3, images={"a": 2, "b": 1}, seed=0)
    turns = [i.epoch for i in sampler if i >= 10]
    assert turns == [0, 0, 0, 0, 1]


@pytest.mark.parametrize("start", [0, 3, 6, 7])
def test_an_interrupted_epoch_goes_on_where_it_was(start: int) -> None:
    sampler = TaskSampler(DATA, 3, images={"a": 2, "b": 1}, seed=3)
    sampler.set_epoch(2)
    whole = [(int(i), i.epoch) for i in sampler]
    sampler.set_epoch(2, start)
    assert [(int(i), i.epoch) for i in sampler] == whole[start:]
    assert [(int(i), i.epoch) for i in sampler] == whole  # of that iteration alone


def test_ranks_share_a_pass_and_take_the_same_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = []
    for rank in range(2):
        monkeypatch.setattr(
            "tresnet_tasks.datasets.task_sampler.get_dist_info", lambda rank=rank: (rank, 2)
        )
        ranks.append(TaskSampler(DATA, 3, images={"a": 2, "b": 1}, epoch_of="b", seed=0))
    assert sorted(of(ranks[0], "b") + of(ranks[1], "b")) == list(range(4))
    for one, other in zip(steps(ranks[0]), steps(ranks[1]), strict=True):
        assert [int(i) < 10 for i in one] == [int(i) < 10 for i in other]


@pytest.mark.parametrize(
    ("batch_size", "given", "said"),
    [
        (4, {"images": {"a": 3}}, "Name each"),
        (4, {"proportions": {"a": 1, "c": 1}}, "Name each"),
        (4, {"images": {"a": 4, "b": 0}}, "positive"),
        (4, {"images": {"a": 4, "b": 4}}, "add up to 8"),
        (1, {}, "at least one image"),
        (2, {"images": {"a": 1, "b": 1}, "proportions": {"a": 1, "b": 1}}, "one of them"),
        (2, {"epoch_of": "c"}, "epoch_of"),
    ],
)
def test_what_does_not_match_is_refused(batch_size: int, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TaskSampler(DATA, batch_size, seed=0, **given)


def test_a_data_set_shorter_than_its_share_of_a_step_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr("tresnet_tasks.datasets.task_sampler.tell", told.append)
    sampler = TaskSampler(DATA, 7, images={"a": 2, "b": 5}, seed=0)
    assert "an epoch is 5 steps, one pass over a" in told[0]
    assert "data set b has 4 images, fewer than a step takes" in told[1]
    assert len(steps(sampler)) == 5
