"""Random numbers of a training step from its number alone."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from tresnet_tasks.registry import HOOKS


@HOOKS.register_module()
class StepSeedHook(Hook):
    """Seeds Python, NumPy and torch before each training step from (seed, iteration, rank).

    What mixup, dropout or drop path draw in a step then does not depend on what was drawn before
    it: a resumed run draws what the undisturbed one draws, whether or not it validated, restarted
    its workers or logged in between, and with other processes too. (A checkpoint stores the
    generators as well, which is what counts without this hook.) What the data workers draw is the
    data set's own affair.
    """

    # Last of all before a step: no other hook can draw in between.
    priority = "LOWEST"

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Seed the generators of this process."""
        seed_step(runner.seed, runner.iter)


def seed_step(seed: int, iteration: int) -> None:
    """Seed the generators of this process for a training step of the run with this seed."""
    words = np.random.SeedSequence([seed, iteration, get_rank()]).generate_state(2)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))
    torch.manual_seed(int(words[0]))  # every device's
