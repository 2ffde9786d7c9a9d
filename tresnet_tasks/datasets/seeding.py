"""Random numbers of a sample, from (seed, epoch, index) alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from struct import pack, unpack

import numpy as np
import torch


def seed_generators(seed: int, epoch: int, index: int) -> None:
    """Seed Python's ``random``, NumPy's global generator and torch's CPU generator for one sample.

    The three streams are independent of each other, and those of neighbouring samples of one
    another. A transform that keeps a generator of its own seeds it from ``random`` (see
    ``Albumentations``).

    Args:
        seed: of the run; any 64-bit integer.
        epoch: from 0.
        index: of the sample in its data set.
    """
    # A hash, not seed + epoch + index: with sums (epoch 0, sample 1) would draw what (epoch 1,
    # sample 0) draws.
    digest = blake2b(pack("<qqq", seed, epoch, index), digest_size=20).digest()
    for_python, for_numpy, for_torch = unpack("<QIQ", digest)
    random.seed(for_python)
    np.random.seed(for_numpy)
    torch.default_generator.manual_seed(for_torch)


@contextmanager
def preserved_generators() -> Iterator[None]:
    """Give the three global generators back as they were found.

    Without it a loader without workers would reset the generators that dropout and mixup draw from
    at every sample.
    """
    python, numpy_state, torch_state = (
        random.getstate(),
        np.random.get_state(),
        torch.default_generator.get_state(),
    )
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)
        torch.default_generator.set_state(torch_state)
