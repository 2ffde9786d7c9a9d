"""Patches of a grid, each hidden or not."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from tresnet_tasks.datasets.transforms import HideAndSeek

RED = (255, 0, 0)


def hidden(seed: int, shape: tuple[int, int, int], **settings: Any) -> np.ndarray:
    """(H, W) bool: which pixels are hidden."""
    random.seed(seed)
    np.random.seed(seed)
    image = HideAndSeek(prob=1.0, fill=RED, **settings)({"img": np.zeros(shape, np.uint8)})["img"]
    hit: np.ndarray = (image == RED).all(axis=2)
    assert (image[~hit] == 0).all()
    return hit


def test_patches_are_hidden_whole() -> None:
    seen = set()
    for seed in range(10):
        hit = hidden(seed, (64, 96, 3), cells=(4,))  # of 16 px
        blocks = hit.reshape(4, 16, 6, 16).transpose(0, 2, 1, 3).reshape(24, 256)
        assert set(blocks.mean(axis=1).tolist()) <= {0.0, 1.0}
        seen.add(tuple(blocks[:, 0].tolist()))
    assert len(seen) == 10


def test_patches_of_the_papers_sizes() -> None:
    """56, 44.8, 32 and 16 of 224 pixels, each as likely."""
    sizes = []
    for seed in range(200):
        hit = hidden(seed, (224, 224, 3))
        edges = np.flatnonzero((hit[:, 1:] != hit[:, :-1]).any(axis=0)) + 1
        sizes.append(
            next(
                n for n in (4, 5, 7, 14) if np.isin(edges, np.ceil(np.arange(1, n) * 224 / n)).all()
            )
        )
    assert {n: sizes.count(n) > 30 for n in (4, 5, 7, 14)} == dict.fromkeys((4, 5, 7, 14), True)


@pytest.mark.parametrize("hide", [0.25, 0.5])
def test_the_share_hidden_is_the_probability_of_a_patch(hide: float) -> None:
    shares = [hidden(seed, (56, 80, 3), hide=hide).mean() for seed in range(400)]
    assert np.mean(shares) == pytest.approx(hide, abs=0.02)  # more than 3 standard errors


def test_patches_are_independent_of_each_other() -> None:
    hits = np.stack([hidden(seed, (8, 8, 3), cells=(4,))[::2, ::2].ravel() for seed in range(1000)])
    correlations = np.corrcoef(hits.T) - np.eye(16)
    assert abs(correlations).max() < 0.15


def test_the_longer_side_has_patches_of_the_same_size() -> None:
    hit = hidden(1, (40, 100, 3), cells=(4,))  # of 10 px
    blocks = hit.reshape(4, 10, 10, 10).transpose(0, 2, 1, 3).reshape(40, 100)
    assert set(blocks.mean(axis=1).tolist()) == {0.0, 1.0}


def test_the_probability_is_that_of_an_image() -> None:
    random.seed(0)
    image = np.zeros((16, 16, 3), np.uint8)
    transform = HideAndSeek(prob=0.3, hide=1.0)
    count = sum(transform({"img": image})["img"].any() for _ in range(1000))
    assert 0.25 < count / 1000 < 0.35


def test_the_input_is_not_changed() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    HideAndSeek(prob=1.0, hide=1.0)({"img": image})
    assert not image.any()


def test_an_image_smaller_than_its_patches() -> None:
    assert hidden(0, (1, 3, 3), cells=(14,)).shape == (1, 3)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"cells": ()}, "cells"),
        ({"cells": (4, 0)}, r"cells=\(4, 0\)"),
        ({"hide": 0.0}, "hide=0.0"),
        ({"prob": -0.1}, "prob=-0.1"),
        ({"fill": "grey"}, "fill='grey'"),
    ],
)
def test_an_argument_out_of_its_range_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        HideAndSeek(**wrong)
