from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import torch

from tresnet_tasks.training.hooks import StepSeedHook


def draw(seed: int, iteration: int) -> tuple[float, float, float]:
    StepSeedHook().before_train_iter(SimpleNamespace(seed=seed, iter=iteration), 0)
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_draws_depend_on_seed_and_iteration_alone() -> None:
    first = draw(1, 4)
    torch.rand(100)
    assert draw(1, 4) == first


def test_iterations_and_seeds_draw_differently() -> None:
    draws = [draw(seed, iteration) for seed in range(3) for iteration in range(50)]
    for column in zip(*draws, strict=True):
        assert len(set(column)) == len(draws)
