"""Bad input through the commands: a clear error in one message, or the right result."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

Config = Callable[..., Path]
ONE_EPOCH = ("--cfg-options", "train_cfg.max_epochs=1")
RESIZE = 'dict(type="LoadImage"), dict(type="Albumentations", transforms=[dict(type="Resize", height=32, width=32)])'
SKIP = "train_dataloader['dataset']['on_error'] = val_dataloader['dataset']['on_error'] = 'skip'"
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


@pytest.fixture
def train(command: Any, tmp_path: Path) -> Callable[..., str]:
    """Train for one epoch; gives what was printed. ``status`` is 1 for an error."""

    def run(config: Path, *options: Any, status: int = 0) -> str:
        printed: str = command(
            *("train", config, "--work-dir", tmp_path / "run", *(options or ONE_EPOCH)),
            status=status,
        )
        return printed

    return run


@pytest.fixture
def image(tiny_data: Path) -> Path:
    """One of the training images, to be made unreadable."""
    return tiny_data / "train" / "red" / "0.png"


def grey(height: int, width: int) -> np.ndarray[Any, Any]:
    return np.full((height, width), 128, np.uint8)


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
    printed = train(tiny_config(old='dict(type="LoadImage")', new=RESIZE))
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


# --------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_damaged_checkpoint_is_named_whoever_reads_it(
    size: int, tiny_run: Any, command: Any, tmp_path: Path
) -> None:
    file = tmp_path / "cut.pth"
    file.write_bytes(tiny_run.best.read_bytes()[:size])
    for line in (
        ("test", tiny_run.config, file, "--work-dir", tmp_path / "w"),
        ("predict", file, tiny_run.data / "val"),
        ("convert", file, tmp_path / "out.pth"),
        ("train", tiny_run.config, "--work-dir", tmp_path / "w", "--resume", file),
        (
            "train",
            tiny_run.config,
            "--work-dir",
            tmp_path / "w",
            "--cfg-options",
            f"load_from={file}",
        ),
    ):
        printed = command(*line, status=1)
        assert str(file) in printed and "damaged" in printed
    assert not (tmp_path / "out.pth").exists()


def test_a_checkpoint_of_another_net_is_told(tiny_run: Any, command: Any, tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(3, 3).state_dict(), tmp_path / "other.pth")
    for line in (
        ("test", tiny_run.config, tmp_path / "other.pth", "--work-dir", tmp_path / "w"),
        ("predict", tmp_path / "other.pth", tiny_run.data / "val"),
        ("convert", tmp_path / "other.pth", tmp_path / "out.pth"),
        (
            "train",
            tiny_run.config,
            "--work-dir",
            tmp_path / "w",
            "--resume",
            tmp_path / "other.pth",
        ),
    ):
        assert "other.pth" in command(*line, status=1)


def test_resuming_with_another_variant_is_refused(
    tiny_run: Any, tiny_config: Config, train: Any
) -> None:
    config = tiny_config(old="width_factor=0.125", new="width_factor=0.25")
    printed = train(config, "--resume", tiny_run.best, status=1)
    assert "does not fit the model" in printed


def test_starting_from_another_variant_is_refused_with_its_name(
    tiny_run: Any, tiny_config: Config, train: Any
) -> None:
    config = tiny_config(old="width_factor=0.125", new="width_factor=0.25")
    printed = train(config, "--cfg-options", f"load_from={tiny_run.best}", status=1)
    assert "width_factor=0.125" in printed


# --------------------------------------------------------------------------- paths and folders


@pytest.mark.parametrize(
    "text",
    [
        "load_from = '/gone/file'",
        "model['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint='/gone/file')",
        "train_dataloader['dataset'] = dict(type='ImageList', ann_file='/gone/file')",
        "train_dataloader['dataset'] = dict(type='ImageFolder', data_root='/gone/file')",
        "resume = True\nload_from = '/gone/file'",
    ],
)
def test_a_path_in_the_config_that_does_not_exist_is_named(
    text: str, tiny_config: Config, train: Any
) -> None:
    assert "/gone/file" in train(tiny_config(text), status=1)


def test_a_work_dir_that_is_a_file_is_told_before_anything_is_built(
    tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    for way in (tmp_path / "file", tmp_path / "file" / "below"):
        printed = command("train", tiny_config(), "--work-dir", way, status=1)
        assert "cannot write" in printed and "--work-dir" in printed
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only for root"
)
def test_a_work_dir_that_is_read_only_is_told(
    tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    printed = command("train", tiny_config(), "--work-dir", tmp_path / "locked", status=1)
    assert "cannot write" in printed


def test_labels_beyond_the_head_are_told(tiny_config: Config, train: Any) -> None:
    config = tiny_config("model['head'] = dict(num_classes=2)")
    printed = train(config, status=1)
    assert "num_classes=2" in printed and "blue, green, red" in printed


# ---------------------------------------------------------------------------- misspelt in a config


@pytest.mark.parametrize(
    ("step", "wrong", "right"),
    [
        (
            'type="Albumentations", transforms=[dict(type="HorizontalFlp")]',
            "HorizontalFlp",
            "HorizontalFlip",
        ),
        (
            'type="Albumentations", transforms=[dict(type="Resize", heigth=9, width=9)]',
            "heigth",
            "height",
        ),
        ('type="TorchVision", name="RandAugmnt"', "RandAugmnt", "RandAugment"),
        ('type="TorchVision", name="RandAugment", magnitud=9', "magnitud", "magnitude"),
        ('type="Cutout", facto=0.5', "facto", "factor"),
    ],
)
def test_a_misspelt_augmentation_is_answered_with_the_nearest(
    step: str, wrong: str, right: str, tiny_config: Config, train: Any
) -> None:
    loaded = 'dict(type="LoadImage")'
    printed = train(tiny_config(old=loaded, new=f"{loaded}, dict({step})"), status=1)
    assert f"'{wrong}'" in printed and f"Did you mean '{right}'" in printed


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ("type='MixUpp'", "Did you mean 'MixUp'"),
        ("type='MixUp', alfa=0.2", "'alpha'"),
        ("", "MixUp"),
    ],
)
def test_a_misspelt_mix_is_answered(
    mix: str, expected: str, tiny_config: Config, train: Any
) -> None:
    config = tiny_config(f"model['data_preprocessor'] = dict(mixes=[dict({mix})])")
    assert expected in train(config, status=1)
