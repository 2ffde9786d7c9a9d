from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch.utils.data import ConcatDataset, Dataset, Subset

from tresnet_tasks.training.hooks import UnreadableImagesHook


class Pictures(Dataset):
    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def __len__(self) -> int:
        return 3

    def unreadable_files(self) -> list[str]:
        return self.names


@pytest.fixture
def told() -> list[str]:
    return []


def runner_of(dataset: Any, told: list[str]) -> Any:
    loader = SimpleNamespace(dataset=dataset)
    return SimpleNamespace(
        train_dataloader=loader,
        val_dataloader=loader,
        test_dataloader=loader,
        logger=SimpleNamespace(warning=told.append),
    )


def test_new_files_are_named_once(told: list[str]) -> None:
    pictures, hook = Pictures("b.jpg", "a.jpg"), UnreadableImagesHook()
    runner = runner_of(pictures, told)
    hook.after_train_epoch(runner)
    hook.after_train_epoch(runner)
    pictures.names.append("c.jpg")
    hook.after_train_epoch(runner)
    assert told == [
        "2 unreadable images were left out of the training set:\n  a.jpg\n  b.jpg",
        "1 unreadable image was left out of the training set:\n  c.jpg",
    ]


def test_a_long_list_is_cut_and_counted(told: list[str]) -> None:
    names = [f"{i:02}.jpg" for i in range(14)]
    UnreadableImagesHook().after_val_epoch(runner_of(Pictures(*names), told))
    assert told[0].startswith("14 unreadable images were left out of the validation set")
    assert told[0].endswith("09.jpg\n  ... and 4 more")


def test_wrapped_data_sets_are_looked_into(told: list[str]) -> None:
    dataset = ConcatDataset([Pictures("a.jpg"), Subset(Pictures("b.jpg"), [0])])
    UnreadableImagesHook().after_test_epoch(runner_of(dataset, told))
    assert told == ["2 unreadable images were left out of the test set:\n  a.jpg\n  b.jpg"]


def test_nothing_is_said_of_good_images_or_other_data_sets(told: list[str]) -> None:
    UnreadableImagesHook().after_train_epoch(runner_of(Pictures(), told))
    UnreadableImagesHook().after_train_epoch(runner_of([1, 2, 3], told))
    assert told == []
