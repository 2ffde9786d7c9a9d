from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch.utils.data import Dataset

from tresnet_tasks.training.hooks import SplitCheckHook

ONE_EPOCH = "train_cfg['max_epochs'] = 1\nparam_scheduler = None\n"


class Labelled(Dataset[Any]):
    """Images of classes a, b and c; those with a count above 0 occur."""

    def __init__(self, held: tuple[int, int, int], task: str = "single_label") -> None:
        self.held = np.array(held)
        self.metainfo = {"classes": ("a", "b", "c"), "task": task}

    def __len__(self) -> int:
        return int(self.held.sum())

    def label_counts(self) -> Any:
        return self.held, self.held

    def img_path(self, index: int) -> str:
        return f"nowhere/{index}.jpg"


def check(training: Any, validation: Any, **arguments: Any) -> list[str]:
    told: list[str] = []
    runner = SimpleNamespace(
        val_loop=True,
        train_dataloader=SimpleNamespace(dataset=training),
        val_dataloader=SimpleNamespace(dataset=validation),
        logger=SimpleNamespace(warning=told.append, info=told.append),
    )
    SplitCheckHook(**arguments).before_train(runner)
    return told


def test_a_class_that_cannot_be_measured_is_told_once(
    tiny_config: Callable[..., Path], command: Any, tiny_data: Path, tmp_path: Path
) -> None:
    shutil.rmtree(tiny_data / "val/green")
    config = tiny_config(f"{ONE_EPOCH}val_dataloader['dataset']['allow_empty_classes'] = True")
    printed = command("train", config, "--work-dir", tmp_path / "w")
    assert printed.count("the validation data have no image of class 'green'") == 1


def test_a_name_that_looks_like_another_is_told() -> None:
    training, validation = Labelled((5, 5, 1)), Labelled((2, 2, 0))
    for dataset in (training, validation):
        dataset.metainfo["classes"] = ("circle", "stripe", "cirlce")
    assert "Misspelt, perhaps: 'cirlce' for 'circle'?" in check(training, validation)[0]


def test_a_class_that_cannot_be_learnt_is_refused() -> None:
    with pytest.raises(ValueError, match="training data have no image of 2 classes: 'b', 'c'"):
        check(Labelled((1, 0, 0)), Labelled((1, 2, 1)))


def test_a_tag_that_cannot_be_learnt_is_a_warning() -> None:
    (told,) = check(Labelled((1, 1, 0), "multi_label"), Labelled((1, 1, 1), "multi_label"))
    assert "no image of class 'c'" in told and "cannot be learnt" in told


def test_data_sets_in_wrappers_are_compared_by_head() -> None:
    joint = SimpleNamespace(
        names=["x", "y"], datasets=[Labelled((1, 1, 0)), Labelled((1, 1, 1))], metainfo={}
    )
    wrapped = SimpleNamespace(dataset=joint)
    validation = SimpleNamespace(readers={"x": Labelled((1, 1, 0)), "y": Labelled((1, 0, 1))})
    (told,) = check(wrapped, validation)
    assert "class 'b'" in told


def test_parts_for_one_head_are_added() -> None:
    parts = SimpleNamespace(datasets=[Labelled((1, 0, 0)), Labelled((0, 1, 1))])
    assert check(parts, Labelled((1, 1, 1))) == []


@pytest.fixture
def shared(tiny_data: Path) -> None:
    shutil.copy(tiny_data / "train/red/0.png", tiny_data / "val/red/copy.png")
    shutil.copy(tiny_data / "train/blue/3.png", tiny_data / "val/blue/0.png")


@pytest.mark.usefixtures("shared")
def test_images_in_both_are_told_with_their_number_and_the_first_pairs(
    tiny_config: Callable[..., Path], command: Any, tiny_data: Path, tmp_path: Path
) -> None:
    printed = command("train", tiny_config(ONE_EPOCH), "--work-dir", tmp_path / "w")
    assert "warning: 2 of 7 validation images are byte for byte" in printed
    assert f"{tiny_data}/val/red/copy.png = {tiny_data}/train/red/0.png" in printed


@pytest.mark.usefixtures("shared")
def test_images_in_both_are_refused_or_ignored_on_request(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    option = "default_hooks.split_check.overlap"
    arguments = ("train", tiny_config(ONE_EPOCH), "--work-dir", tmp_path / "w", "--cfg-options")
    assert "byte for byte" in command(*arguments, f"{option}=refuse", status=1)
    assert "byte for byte" not in command(*arguments, f"{option}=ignore")


def test_more_files_than_most_are_looked_at_on_request_alone(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"1")

    class Here(Labelled):
        def img_path(self, index: int) -> str:
            return str(tmp_path / "1.jpg")

    pair = Here((1, 1, 1)), Here((1, 1, 1))
    assert "byte for byte" in check(*pair, most=6)[0]
    assert "6 files, more than 5: not looked for" in check(*pair, most=5)[0]
    with pytest.raises(ValueError, match="1 of 1 validation images"):
        check(*pair, overlap="refuse", most=5)


def test_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap='no'"):
        SplitCheckHook(overlap="no")
