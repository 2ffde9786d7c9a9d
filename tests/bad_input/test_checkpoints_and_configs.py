"""Checkpoints and configs that are wrong: a clear error in one message."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

Config = Callable[..., Path]


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
