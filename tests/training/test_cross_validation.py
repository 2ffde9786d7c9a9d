from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from tresnet_tasks.commands.main import main
from tresnet_tasks.training import cross_validation as module
from tresnet_tasks.training.cross_validation import CrossValidation
from tresnet_tasks.training.launch import load_config
from tresnet_tasks.upstream.checkpoints import read_checkpoint

Write = Callable[..., Path]
QUICK = "train_cfg['max_epochs'] = 1\nparam_scheduler = None\n"


@pytest.fixture(scope="module")
def two_folds(tiny_run: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A config, the work dir of its two folds and what was printed."""
    folder = tmp_path_factory.mktemp("folds")
    config = folder / "tiny.py"
    config.write_text(tiny_run.config.read_text() + QUICK)
    printed = io.StringIO()
    with redirect_stdout(printed):
        arguments = ["train", str(config), "--work-dir", str(folder / "w"), "--folds", "2"]
        assert main(arguments) == 0
    return config, folder / "w", printed.getvalue()


def test_each_fold_is_trained_on_the_rest_and_mean_and_spread_are_told(
    two_folds: tuple[Path, Path, str],
) -> None:
    _, folder, printed = two_folds
    record = json.loads((folder / "folds.json").read_text())
    scores = [fold["top1"] for fold in record["scores"]]
    assert len(scores) == 2
    assert record["mean"]["top1"] == pytest.approx(mean(scores))
    assert record["std"]["top1"] == pytest.approx(stdev(scores))
    *_, middle, spread, _ = (line.split() for line in printed.splitlines())
    assert middle == ["mean", f"{mean(scores):.4f}"] and spread == ["std", f"{stdev(scores):.4f}"]
    configs = [read_checkpoint(folder / f"fold_{n}/epoch_1.pth")["meta"]["cfg"] for n in (1, 2)]
    for number, cfg in enumerate(configs, start=1):
        training, validation = (cfg[f"{s}_dataloader"]["dataset"] for s in ("train", "val"))
        assert list(training["subset"]["fold"]) == list(validation["subset"]["fold"]) == [number, 2]
        assert validation["test_mode"] and not training.get("test_mode")
        assert training["data_prefix"] == validation["data_prefix"] == "train"
    seeds = {cfg["randomness"]["seed"] for cfg in configs}
    assert seeds == {record["seed"]}  # drawn once


def test_a_resumed_cross_validation_keeps_the_folds_that_are_done(
    two_folds: tuple[Path, Path, str], command: Any, tmp_path: Path
) -> None:
    config, folder, _ = two_folds
    shutil.copytree(folder, tmp_path / "w")
    path = tmp_path / "w/folds.json"
    record = json.loads(path.read_text())
    whole = record["scores"][1]
    path.write_text(json.dumps({**record, "scores": [{"top1": 0.125}]}))
    arguments = ("train", config, "--work-dir", tmp_path / "w", "--resume", "--folds")
    printed = command(*arguments, 2)
    # The second was over but for its number, which is measured again.
    assert "fold 1 of 2" not in printed and "nothing is left to train" in printed
    assert json.loads(path.read_text())["scores"] == [{"top1": 0.125}, whole]
    assert "is of 2 folds, not of 3" in command(*arguments, 3, status=1)


def test_the_fold_is_read_by_the_validation_pipeline_and_whole(tiny_config: Write) -> None:
    cfg = load_config(
        str(tiny_config("train_dataloader['dataset']['subset'] = dict(per_class=2, seed=5)"))
    )
    cfg.val_dataloader.dataset.pipeline = ["the validation's"]
    run = module._of_fold(cfg, 3, 4)
    assert run.val_dataloader.dataset.pipeline == ["the validation's"]
    assert run.val_dataloader.dataset.subset == {"fold": (3, 4), "seed": 5}
    assert run.train_dataloader.dataset.subset == {"fold": (3, 4), "seed": 5, "per_class": 2}
    assert run.test_dataloader is None


def test_a_class_with_fewer_images_than_folds_is_named(
    tiny_config: Write, command: Any, tmp_path: Path
) -> None:
    arguments = ("--work-dir", tmp_path / "w", "--folds", 5)
    printed = command("train", tiny_config(), *arguments, status=1)
    assert "fewer images than the 5 folds: 'blue' (4), 'green' (4), 'red' (4)" in printed


@pytest.mark.parametrize(
    ("more", "options", "said"),
    [
        ("", ("--folds", 1), "expected 2 or more"),
        ("", ("--folds", 2, "--resume", "x.pth"), "Give --resume without one"),
        ("val_dataloader = val_evaluator = None", ("--folds", 2), "needs train_dataloader and val"),
        (
            "_d = train_dataloader['dataset']\n"
            "train_dataloader['dataset'] = dict(type='RepeatDataset', times=2, dataset=_d)",
            ("--folds", 2),
            "RepeatDataset does not",
        ),
    ],
)
def test_what_cannot_be_folded_is_refused(
    tiny_config: Write, command: Any, tmp_path: Path, more: str, options: Any, said: str
) -> None:
    config = tiny_config(more)
    assert said in command("train", config, "--work-dir", tmp_path / "w", *options, status=1)


def test_details_of_classes_stay_out_of_the_table_and_gaps_out_of_the_mean() -> None:
    scores = [{"AP": 0.5, "AP/cat": 0.1}, {"AP": 0.7, "AP/cat": float("nan")}, {"AP": float("nan")}]
    found = CrossValidation(scores, Path("folds.json"))
    assert found.summary() == {"AP": (pytest.approx(0.6), pytest.approx(stdev([0.5, 0.7])))}
    assert "AP/cat" not in str(found) and "nan" in str(found)
