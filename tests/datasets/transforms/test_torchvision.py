"""torchvision v2 from configs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from tresnet_tasks.datasets import TorchVision

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def _apply(transform: TorchVision, seed: int = 0) -> np.ndarray:
    torch.manual_seed(seed)
    image: np.ndarray = transform(dict(img=IMAGE))["img"]
    return image


@pytest.mark.parametrize(
    "name", ["AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix", "RandomErasing"]
)
def test_same_as_torchvision(name: str) -> None:
    for seed in range(5):
        torch.manual_seed(seed)
        expected = getattr(v2, name)()(torch.from_numpy(IMAGE).permute(2, 0, 1))
        ours = _apply(TorchVision(name), seed)
        np.testing.assert_array_equal(ours, expected.permute(1, 2, 0).numpy())
        assert ours.flags.c_contiguous


def test_enumerations_by_their_names() -> None:
    transform = TorchVision("AutoAugment", policy="cifar10", interpolation="bilinear")
    assert transform.transform.policy is v2.AutoAugmentPolicy.CIFAR10
    assert transform.transform.interpolation is v2.InterpolationMode.BILINEAR


def test_erasing_with_noise_covers_the_range() -> None:
    erase = TorchVision("RandomErasing", p=1.0, value="random", scale=(0.3, 0.3))
    erased = np.concatenate([_apply(erase, s)[_apply(erase, s) != IMAGE] for s in range(10)])
    assert abs(float(erased.mean()) - 127.5) < 8
    assert erased.min() < 5
    assert erased.max() > 250


def test_erasing_with_noise_leaves_the_input_as_it_was() -> None:
    before = IMAGE.copy()
    _apply(TorchVision("RandomErasing", p=1.0, value="random"))
    np.testing.assert_array_equal(IMAGE, before)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict(name="RandAugmnt"), "no transform 'RandAugmnt'. Did you mean 'RandAugment'"),
        (dict(name="RandAugment", magnitud=9), "no argument 'magnitud'. Did you mean 'magnitude'"),
        (dict(name="AutoAugment", policy="imagnet"), "AutoAugment refuses its arguments"),
        (dict(name="RandomErasing", value="noise"), "RandomErasing refuses its arguments"),
        (dict(name="RandomCrop"), "RandomCrop needs the argument 'size'"),
    ],
)
def test_mistakes_in_a_config(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        TorchVision(**config)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["RandAugment", "RandomHorizontalFlip"])
def test_what_would_leave_boxes_behind_is_refused(name: str) -> None:
    results = dict(img=IMAGE, img_path="a.png", gt_bboxes=np.zeros((0, 4), dtype=np.float32))
    with pytest.raises(ValueError, match=rf"'{name}'\) moves the pixels, but not the boxes, of a"):
        TorchVision(name)(results)
    TorchVision("ColorJitter", brightness=0.2)(results)
    TorchVision("RandomErasing", p=1.0)(results)
