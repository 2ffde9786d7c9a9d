"""albumentations from configs."""

from __future__ import annotations

import pickle
import random
from typing import Any

import albumentations
import numpy as np
import pytest

from tresnet_tasks.datasets import Albumentations
from tresnet_tasks.registry import TRANSFORMS

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
MANY = [
    dict(type="RandomResizedCrop", size=(16, 16)),
    dict(type="ColorJitter"),
    dict(type="CoarseDropout"),
    dict(type="GaussNoise"),
    dict(type="SomeOf", n=1, transforms=[dict(type="Blur", p=1), dict(type="Rotate", p=1)]),
]


def _apply(transform: Albumentations, seed: int) -> np.ndarray:
    random.seed(seed)
    image: np.ndarray = transform(dict(img=IMAGE))["img"]
    return image


def test_it_gives_what_albumentations_gives() -> None:
    ours = Albumentations([dict(type="Resize", height=8, width=10, interpolation="INTER_AREA")])
    theirs = albumentations.Resize(8, 10, interpolation=3)
    np.testing.assert_array_equal(_apply(ours, 0), theirs(image=IMAGE)["image"])


def test_draws_follow_the_global_generator() -> None:
    one, other = Albumentations(MANY), Albumentations(MANY)
    _apply(other, 99)
    for seed in range(5):
        np.testing.assert_array_equal(_apply(one, seed), _apply(other, seed))
    assert not np.array_equal(_apply(one, 0), _apply(one, 1))


def test_draws_survive_pickling() -> None:
    transform = Albumentations(MANY)
    again = pickle.loads(pickle.dumps(transform))
    np.testing.assert_array_equal(_apply(transform, 3), _apply(again, 3))


def test_probabilities_hold_over_many_seeds() -> None:
    flip = Albumentations([dict(type="HorizontalFlip", p=0.3)])
    flipped = sum(not np.array_equal(_apply(flip, seed), IMAGE) for seed in range(1000))
    assert 250 < flipped < 350


def test_it_is_built_by_name() -> None:
    config = dict(type="Albumentations", transforms=[dict(type="HorizontalFlip")])
    assert repr(TRANSFORMS.build(config)) == "Albumentations(HorizontalFlip)"


def test_another_entry_of_the_results() -> None:
    transform = Albumentations([dict(type="HorizontalFlip", p=1)], keymap=dict(other="image"))
    out = transform(dict(img=IMAGE, other=IMAGE))
    np.testing.assert_array_equal(out["other"], IMAGE[:, ::-1])
    assert out["img"] is IMAGE


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            dict(type="HorizontalFlop"),
            "no transform 'HorizontalFlop'. Did you mean 'HorizontalFlip'",
        ),
        (dict(type="Rotate", limits=5), "Rotate has no argument 'limits'. Did you mean 'limit'"),
        (dict(type="RandomCrop", height=5), "RandomCrop needs the argument 'width'"),
        (dict(type="HorizontalFlip", p=2), "HorizontalFlip refuses its arguments"),
        (dict(type="RandomResizedCrop", size="big"), "RandomResizedCrop refuses its arguments"),
        (dict(type="Rotate", interpolation="INTER_CUBE"), "Did you mean 'INTER_CUBIC'"),
        (dict(type="OneOf", transforms=[dict(type="Blurr")]), "Did you mean 'Blur'"),
        (dict(name="Blur"), "is not a transform; expected a dict with the name as `type`"),
    ],
)
def test_mistakes_in_a_config(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Albumentations([config])
    assert message in str(caught.value)


def test_no_transforms() -> None:
    with pytest.raises(ValueError, match="at least one transform"):
        Albumentations([])
