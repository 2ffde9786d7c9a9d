"""The test command, run as a user runs it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tresnet_tasks.upstream.checkpoints import read_checkpoint

Config = Callable[..., Path]


def measure(command: Any, tmp_path: Path, config: Path, weights: Path, *options: Any) -> Any:
    out = tmp_path / "metrics.json"
    command("test", config, weights, "--work-dir", tmp_path / "t", "--out", out, *options)
    return json.loads(out.read_text())


def test_it_reproduces_the_best_validation(tiny_run: Any, command: Any, tmp_path: Path) -> None:
    best = read_checkpoint(tiny_run.best)["meta"]["best"]
    got = measure(command, tmp_path, tiny_run.config, tiny_run.best)
    assert got[best["metric"]] == pytest.approx(best["score"])


def test_it_reproduces_the_best_validation_of_an_average(
    tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    config = tiny_config("custom_hooks = [dict(type='ModelEMAHook', decay=0.5)]")
    command("train", config, "--work-dir", tmp_path / "w")
    best = read_checkpoint(tmp_path / "w" / "best.pth")["meta"]["best"]
    got = measure(command, tmp_path, config, tmp_path / "w" / "best.pth")
    assert got[best["metric"]] == pytest.approx(best["score"])


@pytest.mark.parametrize("format", ["ours", "timm"])
def test_converted_weights_measure_the_same(
    format: str, tiny_run: Any, command: Any, tmp_path: Path
) -> None:
    file = tmp_path / "weights.safetensors"
    command("convert", tiny_run.best, file, "--format", format)
    expected = measure(command, tmp_path, tiny_run.config, tiny_run.best)
    assert measure(command, tmp_path, tiny_run.config, file) == expected


def test_the_records_of_the_training_stay(tiny_run: Any, command: Any, tmp_path: Path) -> None:
    shutil.copytree(tiny_run.work_dir, tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    command("test", tiny_run.config, tiny_run.best, "--work-dir", tmp_path / "run")
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    assert (tmp_path / "run" / "test" / "reports" / "confusion_matrix.png").exists()


def test_labels_keep_the_meaning_that_they_had_in_training(
    tiny_run: Any, command: Any, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.data, tmp_path / "colours")
    # If labels were counted anew, green would now be label 0.
    shutil.rmtree(tmp_path / "colours" / "val" / "blue")
    root = f"test_dataloader.dataset.data_root={tmp_path / 'colours'}"
    printed = command(
        *("test", tiny_run.config, tiny_run.best, "--work-dir", tmp_path / "t"),
        *("--cfg-options", root),
        status=1,
    )
    assert "'blue'" in printed and "allow_empty_classes=True" in printed
    out = tmp_path / "predictions.json"
    command("predict", tiny_run.best, tmp_path / "colours" / "val", "--out", out)
    rows = json.loads(out.read_text())
    right = sum(row["class_name"] == Path(row["path"]).parent.name for row in rows) / len(rows)
    empty = "test_dataloader.dataset.allow_empty_classes=True"
    got = measure(command, tmp_path, tiny_run.config, tiny_run.best, "--cfg-options", root, empty)
    assert got["top1"] == pytest.approx(right)


def test_a_config_without_test_data_is_measured_on_its_validation(
    tiny_run: Any, tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    config = tiny_config("del test_dataloader, test_evaluator, test_cfg")
    expected = measure(command, tmp_path, tiny_run.config, tiny_run.best)
    assert measure(command, tmp_path, config, tiny_run.best) == expected


def test_weights_whose_head_is_of_other_classes_are_refused(
    tiny_run: Any, tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    command("convert", tiny_run.best, tmp_path / "timm.safetensors", "--format", "timm")
    config = tiny_config()
    for split in ("train", "val"):
        shutil.rmtree(tmp_path / "colours" / split / "red")
    weights = tmp_path / "timm.safetensors"
    printed = command("test", config, weights, "--work-dir", tmp_path / "t", status=1)
    assert "head.fc" in printed and "nothing to measure" in printed


def test_another_variant_is_named(
    tiny_run: Any, tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    config = tiny_config(old="width_factor=0.125", new="width_factor=0.25")
    printed = command("test", config, tiny_run.best, "--work-dir", tmp_path / "t", status=1)
    assert "width_factor=0.125" in printed


def test_an_out_that_is_a_folder_is_said_before_the_work(
    tiny_run: Any, command: Any, tmp_path: Path
) -> None:
    printed = command("test", tiny_run.config, tiny_run.best, "--out", tmp_path, status=1)
    assert "--out" in printed and "folder" in printed


def test_views_of_an_image_are_averaged(tiny_run: Any, command: Any, tmp_path: Path) -> None:
    from tresnet_tasks.inference import Predictor

    predictor = Predictor(tiny_run.best, device="cpu")
    files = sorted((tiny_run.data / "val").rglob("*.png"))
    pixels = [np.asarray(Image.open(file)) for file in files]
    views = [predictor(list(images)) for images in (pixels, [p[:, ::-1].copy() for p in pixels])]
    right = [
        predictor.classes[np.argmax(plain.scores + mirrored.scores)] == file.parent.name
        for plain, mirrored, file in zip(*views, files, strict=True)
    ]
    got = measure(command, tmp_path, tiny_run.config, tiny_run.best, "--tta")
    assert got["top1"] == pytest.approx(np.mean(right))
