from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tresnet_tasks.preprocessing import BatchMix

N, C = 6, 6
MIXUP = {"type": "MixUp", "alpha": 1.0}
CUTMIX = {"type": "CutMix", "alpha": 1.0}


@pytest.fixture
def labels() -> Tensor:
    return torch.tensor([3, 0, 5, 1, 4, 2])


@pytest.fixture
def images(labels: Tensor) -> Tensor:
    """Images filled with 0.1 * (class + 1), so that a pixel tells where it is from."""
    return (0.1 * (labels + 1)).float()[:, None, None, None].expand(N, 3, 24, 32).contiguous()


@pytest.mark.parametrize("mix", [MIXUP, CUTMIX], ids=lambda mix: mix["type"])
@pytest.mark.parametrize("seed", range(5))
def test_mixing_keeps_ranges_and_probability_mass(
    images: Tensor, labels: Tensor, mix: dict[str, object], seed: int
) -> None:
    torch.manual_seed(seed)
    mixed, scores = BatchMix([mix], C)(images, labels)
    assert mixed.shape == images.shape
    assert mixed.min() >= 0 and mixed.max() <= 1
    assert scores.shape == (N, C)
    assert scores.min() >= 0
    torch.testing.assert_close(scores.sum(1), torch.ones(N))
    # Each image holds its classes in the shares that its targets say.
    shares = (scores * 0.1 * torch.arange(1, C + 1)).sum(1)
    torch.testing.assert_close(mixed.mean((1, 2, 3)), shares)


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_shares_equal_the_areas_pasted(images: Tensor, labels: Tensor, seed: int) -> None:
    torch.manual_seed(seed)
    mixed, scores = BatchMix([CUTMIX], C)(images, labels)
    for image, score in zip(mixed, scores, strict=True):
        for c in range(C):
            area = torch.isclose(image, torch.tensor(0.1 * (c + 1))).float().mean()
            assert area.item() == pytest.approx(score[c].item(), abs=1e-6)


def test_mixup_blends_every_pixel_alike(images: Tensor, labels: Tensor) -> None:
    torch.manual_seed(0)
    mixed, scores = BatchMix([MIXUP], C)(images, labels)
    assert ((scores > 0).sum(1) == 2).all()
    for image in mixed:
        torch.testing.assert_close(image, image[0, 0, 0].expand_as(image))


def test_probability_zero_leaves_a_batch_alone(images: Tensor, labels: Tensor) -> None:
    mixed, scores = BatchMix([MIXUP, CUTMIX], C, prob=0)(images, labels)
    assert torch.equal(mixed, images)
    assert torch.equal(scores.argmax(1), labels)
    assert torch.equal(scores.max(1).values, torch.ones(N))


def test_probability_is_that_of_a_batch(images: Tensor, labels: Tensor) -> None:
    torch.manual_seed(0)
    mix = BatchMix([MIXUP], C, prob=0.3)
    count = sum(not torch.equal(mix(images, labels)[0], images) for _ in range(400))
    assert count / 400 == pytest.approx(0.3, abs=0.07)  # 3 standard errors


def test_each_mix_has_its_turn(images: Tensor, labels: Tensor) -> None:
    torch.manual_seed(0)
    mix = BatchMix([MIXUP, CUTMIX], C)
    kinds = {bool((image := mix(images, labels)[0]).std((1, 2, 3)).max() > 1e-4) for _ in range(20)}
    assert image.shape == images.shape
    assert kinds == {True, False}


def test_the_same_seed_mixes_the_same(images: Tensor, labels: Tensor) -> None:
    results = []
    for _ in range(2):
        torch.manual_seed(7)
        results.append(BatchMix([MIXUP, CUTMIX], C)(images, labels))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_the_input_is_left_as_it_was(images: Tensor, labels: Tensor) -> None:
    before = images.clone()
    BatchMix([CUTMIX], C)(images, labels)
    assert torch.equal(images, before)


@pytest.mark.parametrize(("wrong", "near"), [("Mixup", "MixUp"), ("cutmix", "CutMix")])
def test_an_unknown_mix_is_answered_with_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(ValueError, match=rf"'{wrong}' is unknown.*Did you mean '{near}'\?"):
        BatchMix([{"type": wrong}], C)


def test_a_probability_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mix_prob=1.5.*\[0, 1\]"):
        BatchMix([MIXUP], C, prob=1.5)


@pytest.mark.parametrize("mix", [MIXUP, CUTMIX], ids=lambda mix: mix["type"])
def test_the_targets_of_what_an_unlabelled_image_has_a_share_in_are_unknown(
    images: Tensor, labels: Tensor, mix: dict[str, object]
) -> None:
    torch.manual_seed(0)
    mixed, scores = BatchMix([mix], C)(images, labels)
    some = torch.tensor([3, -1, 5, 1, 4, 2])
    torch.manual_seed(0)
    partly, partial = BatchMix([mix], C)(images, some)
    assert torch.equal(mixed, partly)
    shared = scores[:, 0] > 0  # class 0 is the unlabelled image's
    assert 0 < shared.sum() < N
    assert (partial[shared] == -1).all()
    assert torch.equal(partial[~shared], scores[~shared])


def test_an_unlabelled_image_stays_one_where_nothing_is_mixed(images: Tensor) -> None:
    _, scores = BatchMix([MIXUP], C, prob=0)(images[:2], torch.tensor([3, -1]))
    assert scores.tolist() == [[0, 0, 0, 1, 0, 0], [-1] * 6]
