"""The browse command, run as a user runs it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Config = Callable[..., Path]
SCENES = """
_base_ = "{configs}/quickstart/{name}.py"
_data = dict(dataset=dict(data_root="{root}", num_train=6, num_val=6))
train_dataloader = dict(batch_size=6, **_data)
val_dataloader = dict(batch_size=6, **_data)
test_dataloader = val_dataloader
"""
JOINT = """
_base_ = "{configs}/quickstart/{name}.py"
_scenes = dict(data_root="{root}", num_train=6, num_val=6)
_data = dict(dataset=dict(readers=dict(cls=_scenes, tags=_scenes, boxes=_scenes)))
train_dataloader = dict(batch_size=6, **_data)
val_dataloader = dict(batch_size=6, **_data)
test_dataloader = val_dataloader
"""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_pictures_sheet_transforms_and_counts(
    tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    config = tiny_config("_pipeline.insert(1, dict(type='Cutout', factor=0.5))")
    said = command("browse", config, "--number", "2", "--out", tmp_path / "out")
    assert said.startswith(
        "train: 12 images, 2 shown, of the first steps of epoch 0 (4 images a step), seed 0\n"
        "pipeline: LoadImage() > Cutout(factor=0.5) > PackClsInputs()\n"
        "on the device: Preprocessor()\n"
    )
    rows = [line.split() for line in said.splitlines()]
    assert ["blue", "4", "33.33", "%", "12"] in rows and ["red", "4", "33.33", "%", "12"] in rows
    assert said.splitlines()[-1] == str(tmp_path / "out" / "train.png")
    assert len(names(tmp_path / "out")) == 3
    with Image.open(tmp_path / "out" / "train.png") as sheet:
        assert sheet.width > 300


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cls_digit_scenes", "labels an image"),
        ("multilabel_digit_scenes", "labels an image"),
        ("det_digit_scenes", "boxes an image"),
        ("multitask_digit_scenes", "train, boxes: 6 images"),
    ],
)
def test_every_task_is_drawn(
    name: str, told: str, scenes: Path, command: Any, tmp_path: Path, repository: Path
) -> None:
    config, text = tmp_path / "scenes.py", JOINT if "multitask" in name else SCENES
    config.write_text(text.format(configs=repository / "configs", name=name, root=scenes))
    said = command("browse", config, "--number", "3", "--out", tmp_path / "out")
    assert told in said and "train: 6 images, 3 shown" in said
    assert len(names(tmp_path / "out")) == 4
    assert "val.png" in command(
        *("browse", config, "--split", "val", "--number", "1", "--out", tmp_path / "out")
    )


def test_an_image_is_drawn_in_several_epochs_side_by_side(
    tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    config, out = tiny_config("_pipeline.insert(1, dict(type='Cutout'))"), tmp_path / "out"
    command("browse", config, "--number", "1", "--repeats", "4", "--epoch", "2", "--out", out)
    single = sorted(path for path in out.iterdir() if path.name != "train.png")
    assert [path.stem.partition("_")[2] for path in single] == [f"epoch_{n}" for n in range(2, 6)]
    assert len({np.asarray(Image.open(path)).tobytes() for path in single}) == 4
    with Image.open(out / "train.png") as sheet, Image.open(single[0]) as one:
        assert sheet.width > 3 * one.width and sheet.height < 1.5 * one.height


def test_the_pictures_lie_in_the_work_dirs_unless_told(
    tiny_config: Config, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command("browse", tiny_config(), "--number", "1", "--split", "val")
    assert said.splitlines()[-1] == "work_dirs/tiny/browse/val.png"
    assert (tmp_path / "work_dirs/tiny/browse/val.png").is_file()


def test_a_class_without_images_is_named(
    tiny_config: Config, tiny_data: Path, command: Any, tmp_path: Path
) -> None:
    for file in (tiny_data / "train" / "red").iterdir():
        file.unlink()
    config = tiny_config("train_dataloader['dataset']['allow_empty_classes'] = True")
    said = command("browse", config, "--number", "1", "--out", tmp_path / "out")
    assert "train: 1 of 3 classes have no image: red" in said
    assert "no images: red" in command("browse", tiny_config(), status=1)


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_an_unreadable_image_is_named(
    on_error: str, tiny_config: Config, tiny_data: Path, command: Any, tmp_path: Path
) -> None:
    broken = tiny_data / "train" / "blue" / "0.png"
    broken.write_bytes(broken.read_bytes()[:60])
    config = tiny_config(f"train_dataloader['dataset']['on_error'] = {on_error!r}")
    options = ("--number", "12", "--out", tmp_path / "out")
    said = command("browse", config, *options, status=1 if on_error == "raise" else 0)
    assert str(broken) in said
    if on_error == "skip":
        assert "left out, as they cannot be read" in said
        assert (tmp_path / "out" / "train.png").is_file()


def test_data_that_are_not_there_are_told_with_their_layout(
    tiny_config: Config, tiny_data: Path, command: Any, tmp_path: Path
) -> None:
    shutil.rmtree(tiny_data)
    said = command("browse", tiny_config(), "--out", tmp_path / "out", status=1)
    assert str(tiny_data / "train") in said and "<class>/<image>" in said
    assert not (tmp_path / "out").exists()


def test_a_split_that_the_config_lacks_is_told(tiny_config: Config, command: Any) -> None:
    config = tiny_config("val_dataloader = val_evaluator = val_cfg = None")
    said = command("browse", config, "--split", "val", status=1)
    assert "no val_dataloader" in said and "train, test" in said


def test_a_misspelt_setting_is_told(tiny_config: Config, command: Any) -> None:
    config = tiny_config("_pipeline.insert(1, dict(type='GridMsk'))")
    assert "GridMask" in command("browse", config, status=1)


def test_pictures_are_not_written_over_images_or_files(
    tiny_config: Config, tiny_data: Path, command: Any
) -> None:
    config = tiny_config()
    file = tiny_data / "file"
    file.write_text("")
    assert "--out" in command("browse", config, "--out", file, status=1)
    number = ("--number", "12")
    said = command("browse", config, *number, "--out", tiny_data / "train" / "red", status=1)
    assert "might be overwritten" in said


@pytest.mark.parametrize("wrong", [("--number", "0"), ("--repeats", "x"), ("--epoch", "1.5")])
def test_numbers_that_make_no_sense_are_refused(
    wrong: tuple[str, str], tiny_config: Config, command: Any, capsys: Any
) -> None:
    with pytest.raises(SystemExit):
        command("browse", tiny_config(), *wrong)
    assert "expected a whole number" in capsys.readouterr().err
