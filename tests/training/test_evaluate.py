from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.metrics import Accuracy
from tresnet_tasks.training.evaluate import evaluate
from tresnet_tasks.training.launch import LaunchOptions, load_config


def measured(tiny_run: Any, tmp_path: Path, **changes: Any) -> dict[str, float]:
    cfg = load_config(str(tiny_run.config))
    for key, value in changes.items():
        cfg[key] = value
    return evaluate(cfg, str(tiny_run.best), LaunchOptions(work_dir=str(tmp_path)))


@pytest.fixture(scope="module")
def expected(tiny_run: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    return measured(tiny_run, tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize(
    "changes",
    [
        {"custom_hooks": [{"type": "ModelEMAHook"}]},
        {"load_from": "/gone.pth"},
        {"resume": True},
        {"train_dataloader": None, "train_cfg": None, "optim_wrapper": None},
    ],
)
def test_what_belongs_to_training_does_not_matter(
    changes: dict[str, Any], expected: dict[str, float], tiny_run: Any, tmp_path: Path
) -> None:
    assert measured(tiny_run, tmp_path, **changes) == expected


def test_a_score_that_is_no_number_is_null_in_json(
    tiny_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Accuracy.compute_metrics
    monkeypatch.setattr(
        Accuracy, "compute_metrics", lambda *args: {**found(*args), "rare": float("nan")}
    )
    options = LaunchOptions(work_dir=str(tmp_path))
    cfg = load_config(str(tiny_run.config))
    evaluate(cfg, str(tiny_run.best), options, out=tmp_path / "m.json")
    told = json.loads((tmp_path / "m.json").read_text(), parse_constant=pytest.fail)
    assert told["rare"] is None and told["top1"] >= 0


def test_no_seed_is_drawn_for_a_test(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(tiny_run, tmp_path)
    assert "(drawn;" not in capsys.readouterr().out


def test_weights_that_are_not_there_are_named_before_anything_is_built(tiny_run: Any) -> None:
    cfg = load_config(str(tiny_run.config))
    with pytest.raises(FileNotFoundError, match=r"gone\.pth"):
        evaluate(cfg, "gone.pth", LaunchOptions())
