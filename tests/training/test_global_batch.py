from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config

from tresnet_tasks.training.global_batch import keep_global_batch


def fitted(
    before: tuple[int, int, int] | None,
    processes: int,
    size: int = 4,
    window: int = 2,
    by_epoch: bool = True,
) -> tuple[int, int, list[str]]:
    """Batch size and accumulation after the fit, and what was said."""
    loop = {"max_epochs": 3} if by_epoch else {"max_iters": 9}
    cfg = Config(
        {
            "train_dataloader": {"batch_size": size},
            "optim_wrapper": {"accumulative_counts": window},
            "train_cfg": loop,
        }
    )
    stored: dict[str, Any] | None = None
    if before is not None:
        stored = dict(zip(("batch_size", "processes", "accumulation"), before, strict=True))
    said: list[str] = []
    keep_global_batch(cfg, stored, processes, said.append)
    return cfg.train_dataloader.batch_size, cfg.optim_wrapper.accumulative_counts, said


@pytest.mark.parametrize(
    ("before", "processes", "expected"),
    [
        ((4, 2, 2), 1, (4, 4)),
        ((4, 2, 2), 4, (4, 1)),
        ((4, 2, 2), 8, (2, 1)),  # only smaller batches are left
        ((4, 1, 3), 3, (4, 1)),
        ((8, 1, 1), 2, (4, 1)),
    ],
)
def test_fewer_or_more_processes_share_the_same_images(
    before: tuple[int, int, int], processes: int, expected: tuple[int, int]
) -> None:
    window = 1 if processes == 8 else before[2]
    size, window, said = fitted(before, processes, before[0], window)
    assert size * window * processes == before[0] * before[1] * before[2]
    assert (size, window) == expected
    assert f"{processes} processes make the same with" in said[0]


@pytest.mark.parametrize("before", [None, (4, 2, 2)])
def test_the_same_processes_change_nothing(before: Any) -> None:
    assert fitted(before, 2, size=6) == (6, 2, [])


def test_a_config_that_fits_already_is_left_alone() -> None:
    assert fitted((4, 2, 2), 1, size=8, window=2) == (8, 2, [])


def test_iterations_keep_their_images() -> None:
    assert fitted((4, 2, 2), 1, by_epoch=False)[:2] == (8, 2)


@pytest.mark.parametrize(("by_epoch", "processes"), [(True, 3), (False, 3), (True, 5)])
def test_what_cannot_be_shared_is_refused(by_epoch: bool, processes: int) -> None:
    with pytest.raises(ValueError, match=r"2 processes x 4 images x 2 accumulated.*cannot share"):
        fitted((4, 2, 2), processes, by_epoch=by_epoch)
