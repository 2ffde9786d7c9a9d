from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from torch.utils.data import DataLoader

from tresnet_tasks.datasets import EpochSampler, samplers
from tresnet_tasks.upstream.loop_position import LoopPosition, batches_from, resumed_position

HERE = {"batch_size": 4, "processes": 1, "accumulation": 1}


def meta(**changes: Any) -> dict[str, Any]:
    return {"epoch": 2, "iter": 13, "batches": 3, "validated": True, "loader": HERE, **changes}


def test_the_position_is_as_stored() -> None:
    assert resumed_position(meta(), HERE, 5) == LoopPosition(2, 13, 3)


@pytest.mark.parametrize(("iteration", "batches"), [(10, 0), (13, 3), (99, 5)])
def test_a_checkpoint_of_others_tells_it_by_its_iterations(iteration: int, batches: int) -> None:
    stored = {"epoch": 2, "iter": iteration}
    assert resumed_position(stored, HERE, 5).batches == batches


def test_fewer_processes_have_more_batches_behind_them() -> None:
    then = {**HERE, "processes": 2}
    position = resumed_position(meta(loader=then), HERE, 10)
    assert position == LoopPosition(2, 26, 6)


def test_a_run_without_epochs_counts_the_same_images() -> None:
    then = {**HERE, "processes": 2}
    stored = meta(epoch=0, iter=7, batches=0, loader=then)
    assert resumed_position(stored, HERE, 10).iter == 14


@pytest.mark.parametrize(("before", "now"), [(2, 1), (1, 2), (3, 2)])
def test_other_processes_draw_exactly_what_is_left(
    monkeypatch: pytest.MonkeyPatch, before: int, now: int
) -> None:
    """36 samples, batches of 12 / processes each; one batch of every rank has been used."""

    def shares(world_size: int, start: int) -> list[list[int]]:
        found = []
        for rank in range(world_size):
            monkeypatch.setattr(samplers, "get_dist_info", lambda rank=rank: (rank, world_size))
            sampler = EpochSampler(range(36), seed=3)
            loader = DataLoader(
                range(36), batch_size=12 // world_size, sampler=sampler, collate_fn=list
            )
            found.append(list(chain(*batches_from(loader, 1, start))))
        return found

    left = shares(before, 1)
    assert sorted(chain(*left)) == sorted(chain(*shares(now, 1)))
    assert len(set(chain(*left))) == 24


class Counted(list[int]):
    asked = 0

    def __getitem__(self, index: Any) -> Any:
        Counted.asked += 1
        return super().__getitem__(index)


@pytest.mark.parametrize(("sampler", "loaded"), [("ours", 4), ("another", 10)])
@pytest.mark.parametrize("workers", [0, 1])
def test_used_batches_are_left_out_with_any_sampler(
    sampler: str, loaded: int, workers: int
) -> None:
    data = Counted(range(10))
    Counted.asked = 0
    chosen = EpochSampler(data, shuffle=False, seed=0) if sampler == "ours" else None
    loader = DataLoader(data, batch_size=2, sampler=chosen, num_workers=workers, collate_fn=list)
    assert list(batches_from(loader, 0, 3)) == [[6, 7], [8, 9]]
    if not workers:
        assert Counted.asked == loaded
