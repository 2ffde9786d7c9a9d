"""Folders and list files that are wrong: a clear error in one message, or the right result."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Config = Callable[..., Path]
LIST = """
for _loader_, _split in ((train_dataloader, "train"), (val_dataloader, "val")):
    _loader_["dataset"] = dict(
        type="ImageList",
        data_root=_root,
        ann_file=_split + ".txt",
        classes=("blue", "green", "red"),
        pipeline=_pipeline,
    )
del _loader_, _split
"""


# ------------------------------------------------------------------------------------ folders


def test_a_missing_folder_is_told_with_the_layout(
    tiny_config: Config, tiny_data: Path, train: Any
) -> None:
    shutil.rmtree(tiny_data / "train")
    printed = train(tiny_config(), status=1)
    assert str(tiny_data / "train") in printed and "<class>/<image>" in printed


def test_an_empty_folder_is_told(tiny_config: Config, tiny_data: Path, train: Any) -> None:
    shutil.rmtree(tiny_data / "train")
    (tiny_data / "train").mkdir()
    assert "has no folders in it" in train(tiny_config(), status=1)


def test_a_class_without_images_is_named(tiny_config: Config, image: Path, train: Any) -> None:
    for file in image.parent.iterdir():
        file.unlink()
    printed = train(tiny_config(), status=1)
    assert "no images: red" in printed and "allow_empty_classes=True" in printed


def test_a_validation_folder_without_a_class_is_named(
    tiny_config: Config, tiny_data: Path, train: Any
) -> None:
    shutil.rmtree(tiny_data / "val" / "green")
    assert "class 'green'" in train(tiny_config(), status=1)


def test_a_class_that_training_does_not_know_is_named(
    tiny_config: Config, tiny_data: Path, train: Any
) -> None:
    (tiny_data / "val" / "red").rename(tiny_data / "val" / "rad")
    printed = train(tiny_config(), status=1)
    assert "'rad'" in printed and "Did you mean 'red'" in printed


@pytest.mark.parametrize("name", ["gone", "empty"])
def test_predict_names_a_folder_that_is_missing_or_empty(
    name: str, tiny_run: Any, command: Any, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert name in command("predict", tiny_run.best, tmp_path / name, status=1)


# ---------------------------------------------------------------------------------- list files


@pytest.fixture
def listed(tiny_config: Config, tiny_data: Path) -> Callable[..., Path]:
    """A config that reads list files; the argument is what ``train.txt`` has more, or instead."""

    def write(more: bytes = b"", *, ending: bytes = b"\n") -> Path:
        for split in ("train", "val"):
            lines = [
                f"{file.relative_to(tiny_data).as_posix()} {label}".encode()
                for label, name in enumerate(("blue", "green", "red"))
                for file in sorted((tiny_data / split / name).iterdir())
            ]
            (tiny_data / f"{split}.txt").write_bytes(ending.join(lines) + ending)
        with (tiny_data / "train.txt").open("ab") as file:
            file.write(more)
        return tiny_config(f"{LIST}\ntest_dataloader = val_dataloader")

    return write


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"train/red/gone.png 2\n", ("line 13", "gone.png")),
        (b"train/red/0.png two\n", ("line 13", "'two'")),
        (b"train/red/0.png 3\n", ("line 13", "'3'", "0 to 2")),
        (b"train/red/0.png -1\n", ("line 13", "'-1'")),
        (b"train/red/0.png\n", ("line 13", "path label")),
    ],
)
def test_a_bad_line_of_a_list_is_named(
    line: bytes, expected: tuple[str, ...], listed: Any, train: Any
) -> None:
    printed = train(listed(line), status=1)
    assert all(part in printed for part in ("train.txt", *expected)), printed


def test_blank_lines_windows_ends_spaces_and_other_alphabets_are_fine(
    listed: Any, tiny_data: Path, image: Path, train: Any
) -> None:
    shutil.copy(image, tiny_data / "train" / "rød rose 玫瑰.png")
    line = "train/rød rose 玫瑰.png 2\r\n\r\n".encode()
    train(listed(line, ending=b"\r\n"))


def test_a_list_that_is_missing_is_named(listed: Any, tiny_data: Path, train: Any) -> None:
    config = listed()
    (tiny_data / "train.txt").unlink()
    assert str(tiny_data / "train.txt") in train(config, status=1)
