"""What every reader does: reproducible samples, and what happens to images that cannot be read."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tresnet_tasks.datasets import EpochIndex, EpochSampler, ImageFolder, collate

AUGMENTED = [
    dict(type="LoadImage"),
    dict(
        type="Albumentations",
        transforms=[
            dict(type="RandomResizedCrop", size=(16, 16)),
            dict(type="OneOf", p=0.8, transforms=[dict(type="ColorJitter"), dict(type="Blur")]),
            dict(type="HorizontalFlip"),
        ],
    ),
    dict(type="TorchVision", name="RandAugment"),
    dict(type="Cutout", factor=0.3),
    dict(type="PackClsInputs"),
]
PLAIN = [dict(type="LoadImage"), dict(type="PackClsInputs")]


def _epochs(dataset: ImageFolder, workers: int, count: int = 2, **kwargs: Any) -> torch.Tensor:
    """All images of some epochs in the order of the data set: (count, N, 3, H, W)."""
    sampler = EpochSampler(dataset, seed=5)
    loader = DataLoader(
        dataset, 4, sampler=sampler, num_workers=workers, collate_fn=collate, **kwargs
    )
    epochs = []
    for epoch in range(count):
        sampler.set_epoch(epoch)
        batches = list(loader)
        ids = [sample.sample_idx for batch in batches for sample in batch["data_samples"]]
        images = torch.cat([batch["inputs"] for batch in batches])
        epochs.append(images[torch.tensor(ids).argsort()])
    return torch.stack(epochs)


def test_samples_do_not_depend_on_the_number_of_workers(flowers: Path) -> None:
    dataset = ImageFolder(flowers, pipeline=AUGMENTED)
    alone = _epochs(dataset, 0)
    assert torch.equal(alone, _epochs(dataset, 2))
    assert torch.equal(alone, _epochs(dataset, 2, persistent_workers=True))


def test_samples_do_not_depend_on_how_workers_start(flowers: Path) -> None:
    dataset = ImageFolder(flowers, pipeline=AUGMENTED)
    spawned = _epochs(dataset, 1, count=1, multiprocessing_context="spawn")
    assert torch.equal(_epochs(dataset, 0, count=1), spawned)


def test_every_epoch_has_its_own_augmentations(flowers: Path) -> None:
    first, second = _epochs(ImageFolder(flowers, pipeline=AUGMENTED), 0)
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_another_seed_has_other_augmentations(flowers: Path) -> None:
    one, other = (_epochs(ImageFolder(flowers, pipeline=AUGMENTED, seed=s), 0, 1) for s in (0, 1))
    assert not torch.equal(one, other)


def test_neighbours_do_not_share_their_draws(flowers: Path) -> None:
    def draw(results: dict[str, Any]) -> dict[str, Any]:
        return {"draws": (random.random(), np.random.rand(), float(torch.rand(())))}

    dataset = ImageFolder(flowers, pipeline=[draw])
    drawn = [
        draw
        for epoch in range(3)
        for index in range(len(dataset))
        for draw in dataset[EpochIndex(index, epoch)]["draws"]
    ]
    assert len(set(drawn)) == 3 * 3 * len(dataset)


def test_test_mode_draws_the_same_in_every_epoch(flowers: Path) -> None:
    first, second = _epochs(ImageFolder(flowers, pipeline=AUGMENTED, test_mode=True), 0)
    assert torch.equal(first, second)


def test_a_sample_leaves_the_global_generators_alone(flowers: Path) -> None:
    dataset = ImageFolder(flowers, pipeline=AUGMENTED)

    def draw(between: Callable[[], object]) -> tuple[float, ...]:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        between()
        return random.random(), np.random.rand(), float(torch.rand(()))

    assert draw(lambda: dataset[0]) == draw(lambda: None)


def test_it_can_be_pickled(flowers: Path) -> None:
    dataset = ImageFolder(flowers, pipeline=AUGMENTED)
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(dataset[3]["inputs"], again[3]["inputs"])
    assert again.metainfo == dataset.metainfo


def test_an_index_out_of_range(flowers: Path) -> None:
    with pytest.raises(IndexError, match="12 is out of range for 12 images"):
        ImageFolder(flowers)[12]


def test_an_unknown_way_to_treat_errors(flowers: Path) -> None:
    with pytest.raises(ValueError, match="must be 'raise' or 'skip'"):
        ImageFolder(flowers, on_error="ignore")


def test_a_transform_that_returns_nothing_is_named(flowers: Path) -> None:
    with pytest.raises(ValueError, match=r"returned None for .*0\.png"):
        ImageFolder(flowers, pipeline=[lambda results: None])[0]  # type: ignore[arg-type, list-item]


def test_classes_as_one_string(flowers: Path) -> None:
    with pytest.raises(ValueError, match="is the string 'rose'"):
        ImageFolder(flowers, classes="rose")


@pytest.fixture
def damaged(flowers: Path) -> Path:
    """The flowers with two files that cannot be read."""
    cut = flowers / "train" / "daisy" / "1.png"
    cut.write_bytes(cut.read_bytes()[:60])
    (flowers / "train" / "tulip" / "3.png").write_bytes(b"")
    return flowers


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_raises_with_its_name(damaged: Path, workers: int) -> None:
    dataset = ImageFolder(damaged, pipeline=PLAIN)
    loader = DataLoader(dataset, 4, num_workers=workers, collate_fn=collate)
    try:  # pytest.raises would keep the loader alive, and torch takes 10 s to end such workers
        list(loader)
    except ValueError as error:
        message = str(error)
    assert "daisy/1.png" in message


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("test_mode", [False, True])
def test_skipped_images_are_named_in_the_main_process(
    damaged: Path, workers: int, test_mode: bool
) -> None:
    dataset = ImageFolder(damaged, pipeline=PLAIN, on_error="skip", test_mode=test_mode)
    loader = DataLoader(dataset, 4, num_workers=workers, collate_fn=collate)
    count = sum(len(batch["data_samples"]) for batch in loader)
    assert count == (10 if test_mode else 12)
    names = ["/".join(Path(name).parts[-2:]) for name in dataset.unreadable_files()]
    assert names == ["daisy/1.png", "tulip/3.png"]


def test_spawned_workers_name_what_they_skip(damaged: Path) -> None:
    dataset = ImageFolder(damaged, pipeline=PLAIN, on_error="skip")
    context = "spawn"
    list(DataLoader(dataset, 4, num_workers=1, collate_fn=collate, multiprocessing_context=context))
    assert len(dataset.unreadable_files()) == 2


def test_the_next_readable_image_takes_the_place_in_training(damaged: Path) -> None:
    dataset = ImageFolder(damaged, pipeline=PLAIN, on_error="skip")
    assert dataset[1]["data_samples"].img_path.endswith("2.png")
    assert dataset[11]["data_samples"].img_path.endswith("daisy/0.png")  # round the end
    assert [dataset[1]["data_samples"].sample_idx, dataset[11]["data_samples"].sample_idx] == [2, 0]


def test_no_readable_image_at_all(flowers: Path) -> None:
    for path in (flowers / "train").rglob("*.png"):
        path.write_bytes(b"nothing")
    dataset = ImageFolder(flowers, pipeline=PLAIN, on_error="skip")
    with pytest.raises(ValueError, match="none of the 12 images"):
        dataset[0]


def test_a_mistake_in_a_transform_is_not_taken_for_a_bad_image(flowers: Path) -> None:
    def broken(results: dict[str, Any]) -> dict[str, Any]:
        raise ValueError("mine")

    dataset = ImageFolder(flowers, pipeline=[broken], on_error="skip")
    with pytest.raises(ValueError, match="mine"):
        dataset[0]
    assert dataset.unreadable_files() == []
