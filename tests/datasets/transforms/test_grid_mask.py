"""Squares of a regular grid."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from tresnet_tasks.datasets.transforms import GridMask

SHAPE = (96, 140, 3)
RED = (255, 0, 0)


def covered(seed: int, shape: tuple[int, int, int] = SHAPE, **settings: Any) -> np.ndarray:
    """(H, W) bool: which pixels are covered."""
    random.seed(seed)
    image = GridMask(prob=1.0, fill=RED, **settings)({"img": np.zeros(shape, np.uint8)})["img"]
    hit: np.ndarray = (image == RED).all(axis=2)
    assert (image[~hit] == 0).all()
    return hit


def runs(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of True begin, and how long they are; those cut off by an end are left out."""
    edges = np.diff(line.astype(int))
    starts, ends = np.flatnonzero(edges == 1) + 1, np.flatnonzero(edges == -1) + 1
    ends = ends[ends > (starts[0] if len(starts) else len(line))]
    return starts[: len(ends)], ends - starts[: len(ends)]


def test_squares_stand_a_unit_apart_in_both_directions() -> None:
    for seed in range(10):
        hit = covered(seed, keep=0.75, unit=(0.25, 0.25))  # 24 px, of which 6 are covered
        for line in (hit.any(axis=0), hit.any(axis=1)):
            starts, lengths = runs(line)
            assert (np.diff(starts) == 24).all()
            assert (lengths == 6).all()
        # Nothing but the squares where covered rows and columns meet.
        np.testing.assert_array_equal(hit, np.outer(hit.any(axis=1), hit.any(axis=0)))


@pytest.mark.parametrize("keep", [0.4, 0.6])
def test_the_share_covered_is_that_of_the_paper(keep: float) -> None:
    """k = 1 - (1 - r)^2 of an image is kept (section 3.2); its standard error here is below 0.01."""
    shares = [covered(seed, keep=keep).mean() for seed in range(400)]
    assert np.mean(shares) == pytest.approx((1 - keep) ** 2, abs=0.03)


def test_the_unit_is_drawn_between_its_bounds() -> None:
    sides = [runs(covered(s, keep=0.5, unit=(0.2, 0.4)).any(axis=1))[1][0] for s in range(60)]
    # Half of 0.2 to 0.4 of 96 px.
    assert min(sides) in (9, 10, 11) and max(sides) in (18, 19, 20)


def test_the_offset_is_uniform() -> None:
    hits = np.mean([covered(seed, unit=(0.5, 0.5)) for seed in range(800)], axis=0)
    assert abs(hits - 0.16).max() < 0.08  # 6 standard errors


def test_the_probability_is_that_of_an_image() -> None:
    random.seed(0)
    image = np.zeros((32, 32, 3), np.uint8)
    mask = GridMask(prob=0.3)
    count = sum(mask({"img": image})["img"].any() for _ in range(1000))
    assert 0.25 < count / 1000 < 0.35


def test_the_input_is_not_changed() -> None:
    image = np.zeros(SHAPE, np.uint8)
    random.seed(0)
    GridMask(prob=1.0)({"img": image})
    assert not image.any()


def test_an_image_of_one_pixel() -> None:
    for seed in range(5):
        assert covered(seed, shape=(1, 1, 3)).shape == (1, 1)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"keep": 0.0}, "keep=0.0"),
        ({"keep": 1.0}, "keep=1.0"),
        ({"prob": 1.5}, "prob=1.5"),
        ({"unit": (0.5, 0.2)}, r"unit=\(0.5, 0.2\).*smallest, largest"),
        ({"unit": (0, 0.2)}, "unit"),
        ({"fill": (0, 0, 300)}, r"fill=\(0, 0, 300\).*from 0 to 255"),
        ({"fill": 0}, "fill=0"),
    ],
)
def test_an_argument_out_of_its_range_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        GridMask(**wrong)
