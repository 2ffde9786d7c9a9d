"""One rectangle of one colour."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tresnet_tasks.datasets import Cutout

GREY = np.full((40, 60, 3), 100, dtype=np.uint8)


def _cut(factor: float, seed: int) -> np.ndarray:
    random.seed(seed)
    image: np.ndarray = Cutout(factor)(dict(img=GREY))["img"]
    return image


def test_it_covers_one_rectangle_with_one_colour() -> None:
    for seed in range(50):
        image = _cut(0.5, seed)
        rows, columns = np.nonzero((image != GREY).any(axis=2))
        patch = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert (patch == patch[0, 0]).all()
        assert 10 <= patch.shape[0] <= 20  # at least the half that a border leaves
        assert 15 <= patch.shape[1] <= 30


def test_the_input_is_not_changed() -> None:
    _cut(0.5, 0)
    assert (GREY == 100).all()


def test_place_and_colour_are_uniform() -> None:
    images = np.stack([_cut(0.03, seed) for seed in range(2000)]).astype(int)
    cut = (images != GREY).any(axis=3)
    _, rows, columns = np.nonzero(cut)
    assert abs(rows.mean() - 19.5) < 1
    assert abs(columns.mean() - 29.5) < 1.5
    assert abs(images[cut].mean() - 127.5) < 5


def test_an_image_of_one_pixel() -> None:
    image = Cutout(0.5)(dict(img=np.zeros((1, 1, 3), np.uint8)))["img"]
    assert image.shape == (1, 1, 3)


@pytest.mark.parametrize("factor", [0, -0.5, 1.5])
def test_a_factor_out_of_range(factor: float) -> None:
    with pytest.raises(ValueError, match=r"factor is .* above 0 and at most 1"):
        Cutout(factor)
