"""The predict command, run as a user runs it."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tresnet_tasks.commands.main import main
from tresnet_tasks.models import Classifier

CLASSES = ["ant", "bee", "wasp\tor hornet"]
MODEL: dict[str, Any] = {
    "type": "Classifier",
    "backbone": {
        "type": "TResNet",
        "arch": {
            "layers": (1, 1, 1, 1),
            "width_factor": 0.125,
            "blocks": ("basic", "basic", "bottleneck", "bottleneck"),
        },
    },
    "head": {"type": "LinearHead", "num_classes": 3, "in_channels": 256},
}
PIPELINE = [
    {"type": "LoadImage"},
    {"type": "Albumentations", "transforms": [{"type": "Resize", "height": 32, "width": 32}]},
    {"type": "PackClsInputs"},
]
CONFIG = {"model": MODEL, "test_dataloader": {"dataset": {"pipeline": PIPELINE}}}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "best.pth"
    torch.manual_seed(0)
    model = Classifier(MODEL["backbone"], MODEL["head"])
    meta = {"cfg": CONFIG, "dataset_meta": {"classes": CLASSES}}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "inner").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in ("a.png", "b [red].jpg", "inner/a.png"):
        Image.fromarray(generator.integers(0, 256, (40, 50, 3), np.uint8)).save(folder / name)
    return folder


def predict(*arguments: Any) -> int:
    return main([str(argument) for argument in arguments], name="predict")


def test_prints_a_line_an_image(
    weights: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(weights, images, images / "a.png", "--topk", "2") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [Path(line[0]).name for line in lines] == ["a.png", "b [red].jpg", "a.png", "a.png"]
    assert {len(line) for line in lines} == {4}
    assert lines[0][3].startswith(f"{lines[0][1]} 0.") and lines[0][3].count(", ") == 1


def test_shows_a_table_on_a_terminal(
    weights: Path,
    images: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "300")
    assert predict(weights, images) == 0
    out = capsys.readouterr().out
    assert "image" in out and "best 5" in out and "b [red].jpg" in out


def test_csv_has_a_line_an_image_and_the_classes_after_the_best(
    weights: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "results.csv"
    assert predict(weights, images, "--out", out, "--topk", "9") == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    assert list(rows[0]) == [
        *("path", "class_id", "class_name", "score"),
        *("class_name_2", "score_2", "class_name_3", "score_3"),
    ]
    for row in rows:
        assert CLASSES[int(row["class_id"])] == row["class_name"]
        scores = [float(row[key]) for key in ("score", "score_2", "score_3")]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1, abs=1e-5)
    assert [path.name for path in out.parent.iterdir()] == ["results.csv"]


def test_json_is_a_list_of_objects(weights: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    assert predict(weights, images, "--out", out, "--topk", "2") == 0
    rows = json.loads(out.read_text(encoding="utf-8"))
    assert len(rows) == 3
    assert set(rows[0]) == {"path", "class_id", "class_name", "score", "top"}
    assert len(rows[0]["top"]) == 2
    assert rows[0]["top"][0]["class_name"] == rows[0]["class_name"]


def test_a_file_name_that_is_no_text_survives(
    weights: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = os.fsencode(images) + b"/\xff.png"
    try:
        Path(os.fsdecode(odd)).write_bytes((images / "a.png").read_bytes())
    except OSError:
        pytest.skip("this file system takes only names that are UTF-8")
    assert predict(weights, os.fsdecode(odd), "--out", tmp_path / "r.csv") == 0
    assert odd in (tmp_path / "r.csv").read_bytes()


@pytest.mark.parametrize("name", ["results.txt", "results"])
def test_another_suffix_is_refused_naming_both(
    name: str, weights: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        predict(weights, images, "--out", name)
    assert exit_.value.code == 2
    told = capsys.readouterr().err
    assert ".csv or .json" in told and name in told


def test_a_percentage_is_no_threshold(
    weights: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        predict(weights, images, "--thresholds", "50")
    assert "50 is no score; expected a number from 0 to 1" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--topk", "--batch-size"])
def test_a_number_below_one_is_refused(
    option: str, weights: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        predict(weights, images, option, "0")
    assert "expected a whole number of 1 or more" in capsys.readouterr().err


def test_draws_every_image_and_a_sheet_whose_path_comes_last(
    weights: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tmp_path / "drawn"
    assert predict(weights, images, "--draw", drawn) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(drawn / "predictions.png")
    names = {path.name for path in drawn.iterdir()}
    assert names == {"a.png", "a_2.png", "b [red].png", "predictions.png"}
    with Image.open(drawn / "predictions.png") as sheet:
        assert min(sheet.size) > 200


def test_drawing_over_the_images_is_refused(
    weights: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (images / "a.png").read_bytes()
    assert predict(weights, images, "--draw", images) == 1
    assert "might be overwritten" in capsys.readouterr().err
    assert (images / "a.png").read_bytes() == before


def test_an_unreadable_image_ends_the_run_and_keeps_what_was_predicted(
    weights: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "broken.jpg").write_bytes(b"\xff\xd8 broken")
    assert predict(weights, images, "--out", tmp_path / "r.csv") == 1
    told = capsys.readouterr().err
    assert "broken.jpg" in told and "--on-error skip" in told and "on_error" not in told
    assert "r.csv has the first 2 predictions of 4 images" in told
    lines = (tmp_path / "r.csv").read_text(encoding="utf-8").splitlines()
    assert [Path(line.split(",")[0]).name for line in lines[1:]] == ["a.png", "b [red].jpg"]


@pytest.mark.parametrize("option", ["--out", "--draw"])
def test_a_target_that_cannot_be_written_is_told_before_predicting(
    option: str, weights: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    target = file / "r.csv" if option == "--out" else file
    assert predict(weights, images, option, target) == 1
    told = capsys.readouterr()
    assert told.out == "" and "Errno" not in told.err
    assert f"{option} {target} cannot be" in told.err and "Name a" in told.err


def test_unreadable_images_can_be_left_out_listed_and_counted(
    weights: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "broken.jpg").write_bytes(b"\xff\xd8 broken")
    (images / "empty.png").write_bytes(b"")
    out = tmp_path / "r.json"
    assert predict(weights, images, "--on-error", "skip", "--out", out) == 0
    told = capsys.readouterr()
    assert "broken.jpg" in told.err and "empty.png" in told.err
    assert "left out 2 of 5 images" in told.err
    assert len(told.out.splitlines()) == len(json.loads(out.read_text())) == 3


def test_nothing_but_unreadable_images_is_an_error(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    assert predict(weights, tmp_path / "empty.png", "--on-error", "skip") == 1
    assert "none of the 1 images can be read" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["missing.jpg", "empty"])
def test_a_missing_path_or_an_empty_folder_is_named(
    name: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert predict(weights, tmp_path / name, "--on-error", "skip") == 1
    assert name in capsys.readouterr().err


def test_a_config_serves_weights_that_carry_none(
    weights: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare.pth"
    torch.save(torch.load(weights, weights_only=True)["state_dict"], bare)
    assert predict(bare, images) == 1
    assert "--config" in capsys.readouterr().err
    lines = [f"{key} = {value!r}" for key, value in CONFIG.items()]
    (tmp_path / "small.py").write_text("\n".join(lines))
    assert predict(bare, images, "--config", tmp_path / "small.py") == 0


class _Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_a_checkpoint_that_carries_code_is_refused_and_runs_nothing(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    witness = tmp_path / "ran"
    torch.save({"state_dict": {}, "meta": _Bomb(witness)}, tmp_path / "bad.pth")
    assert predict(tmp_path / "bad.pth", images) == 1
    assert "refused" in capsys.readouterr().err
    assert not witness.exists()


def test_a_stored_config_that_names_a_command_is_refused_and_runs_nothing(
    weights: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    witness = tmp_path / "ran"
    stored = torch.load(weights, weights_only=True)
    text = f"import os\nos.system('touch {witness}')\n"
    stored["meta"]["cfg"]["model"] = {"type": "os.system", "command": f"touch {witness}"}
    stored["meta"] |= {"cfg_text": text, "config": text}
    torch.save(stored, tmp_path / "bad.pth")
    assert predict(tmp_path / "bad.pth", images) == 1
    assert "refused" in capsys.readouterr().err
    assert not witness.exists()
