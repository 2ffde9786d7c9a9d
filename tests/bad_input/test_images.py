"""Images that are damaged, unusual or of the wrong size: named, left out or decoded right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Config = Callable[..., Path]
RESIZE = 'dict(type="LoadImage"), dict(type="Albumentations", transforms=[dict(type="Resize", height=32, width=32)])'
SKIP = "train_dataloader['dataset']['on_error'] = val_dataloader['dataset']['on_error'] = 'skip'"


def grey(height: int, width: int) -> np.ndarray[Any, Any]:
    return np.full((height, width), 128, np.uint8)


# -------------------------------------------------------------------------------------- images


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:300])


def zero_bytes(file: Path) -> None:
    file.write_bytes(b"")


def a_web_page(file: Path) -> None:
    file.write_text("<html>not found</html>")


UNREADABLE = [truncated, zero_bytes, a_web_page]


@pytest.mark.parametrize("spoil", UNREADABLE)
def test_an_unreadable_image_ends_training_and_is_named(
    spoil: Any, tiny_config: Config, image: Path, train: Any
) -> None:
    spoil(image)
    printed = train(tiny_config(), status=1)
    assert str(image) in printed and "on_error='skip'" in printed


def test_an_unreadable_image_is_named_out_of_a_worker_too(
    tiny_config: Config, image: Path, train: Any
) -> None:
    truncated(image)
    printed = train(tiny_config("train_dataloader['num_workers'] = 1"), status=1)
    assert str(image) in printed and "Traceback" not in printed


def test_unreadable_images_can_be_left_out_counted_and_named(
    tiny_config: Config, tiny_data: Path, train: Any
) -> None:
    spoilt = [tiny_data / "train" / "red" / f"{index}.png" for index in range(3)]
    for spoil, file in zip(UNREADABLE, spoilt, strict=True):
        spoil(file)
    zero_bytes(tiny_data / "val" / "blue" / "0.png")
    printed = train(tiny_config(f"{SKIP}\ntrain_dataloader['drop_last'] = False"))
    assert "3 unreadable images were left out of the training set" in printed
    assert all(str(file) in printed for file in spoilt)
    assert "1 unreadable image was left out of the validation set" in printed


@pytest.mark.parametrize("spoil", UNREADABLE)
def test_predict_names_an_unreadable_image_or_leaves_it_out(
    spoil: Any, tiny_run: Any, command: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    shutil.copytree(tiny_run.data / "val" / "red", folder)
    spoil(folder / "0.png")
    assert str(folder / "0.png") in command("predict", tiny_run.best, folder, status=1)
    out = tmp_path / "out.json"
    printed = command("predict", tiny_run.best, folder, "--on-error", "skip", "--out", out)
    assert "left out 1 of 2 images" in printed
    assert [Path(row["path"]).name for row in json.loads(out.read_text())] == ["1.png"]


def odd_images(folder: Path) -> list[str]:
    """Images that are unusual and right."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey(40, 48)).save(folder / "grey.png")
    Image.fromarray(np.full((40, 48), 30000, np.uint16)).save(folder / "sixteen_bits.png")
    Image.new("CMYK", (48, 40), (0, 200, 200, 0)).save(folder / "cmyk.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.fromarray(grey(40, 48)).convert("RGB").save(folder / "exif.jpg", exif=exif)
    Image.fromarray(grey(1, 1)).convert("RGB").save(folder / "one_pixel.png")
    Image.fromarray(grey(3, 20_000)).convert("RGB").save(folder / "wide.png")
    return sorted(file.name for file in folder.iterdir())


def test_unusual_images_train(tiny_config: Config, tiny_data: Path, train: Any) -> None:
    odd_images(tiny_data / "train" / "red")
    odd_images(tiny_data / "val" / "red")
    both = "default_hooks['split_check'] = dict(overlap='ignore')"  # the same images in both splits
    printed = train(tiny_config(both, old='dict(type="LoadImage")', new=RESIZE))
    assert "val top1" in printed and "warning" not in printed


def test_unusual_images_are_predicted(
    tiny_config: Config, command: Any, train: Any, tmp_path: Path
) -> None:
    train(tiny_config(old='dict(type="LoadImage")', new=RESIZE))
    names = odd_images(tmp_path / "odd")
    out = tmp_path / "out.json"
    command("predict", tmp_path / "run" / "best.pth", tmp_path / "odd", "--out", out)
    rows = json.loads(out.read_text())
    assert [Path(row["path"]).name for row in rows] == names
    assert all(np.isfinite(row["score"]) for row in rows)


@pytest.mark.parametrize("size", [(30, 32), (16, 16)])
def test_a_size_that_the_network_cannot_take_is_told_with_the_remedy(
    size: tuple[int, int], tiny_config: Config, tiny_data: Path, train: Any
) -> None:
    for file in tiny_data.glob("*/*/*.png"):
        Image.new("RGB", size[::-1]).save(file)
    printed = train(tiny_config(), status=1)
    assert f"{size[0]}x{size[1]}" in printed
    assert "multiples of 4" in printed and "type='Resize', height=224, width=224" in printed


def test_predict_names_the_image_of_such_a_size(
    tiny_run: Any, command: Any, tmp_path: Path
) -> None:
    Image.new("RGB", (30, 32)).save(tmp_path / "odd.png")
    printed = command("predict", tiny_run.best, tmp_path / "odd.png", status=1)
    assert "odd.png" in printed and "multiples of 4" in printed


def test_images_of_different_sizes_in_a_batch_are_told_with_the_remedy(
    tiny_config: Config, image: Path, train: Any
) -> None:
    Image.new("RGB", (64, 64)).save(image)
    printed = train(tiny_config(), status=1)
    assert "[(32, 32), (64, 64)]" in printed and "Resize" in printed


def test_a_crop_larger_than_an_image_names_the_image(tiny_config: Config, train: Any) -> None:
    crop = RESIZE.replace('"Resize", height=32, width=32', '"CenterCrop", height=40, width=40')
    printed = train(tiny_config(old='dict(type="LoadImage")', new=crop), status=1)
    assert "CenterCrop" in printed and ".png" in printed and "32x32" in printed


def test_a_single_image_in_the_last_batch_is_told_with_the_remedy(
    tiny_config: Config, image: Path, train: Any
) -> None:
    for index in range(3):
        (image.parent / f"{index}.png").unlink()  # 9 images in batches of 4
    printed = train(tiny_config("train_dataloader['drop_last'] = False"), status=1)
    warning, error = printed.split("error:")
    assert "warning: the last batch of each epoch has a single image" in warning
    assert "too small for batch norm" in error and "drop_last=True" in error
