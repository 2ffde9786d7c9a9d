from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tresnet_tasks.metrics import Accuracy, DetectionMetric
from tresnet_tasks.training.hooks import report
from tresnet_tasks.training.hooks.report import _scalars


def write(work_dir: Path, time: str, steps: list[int]) -> Path:
    folder = work_dir / time / "vis_data"
    folder.mkdir(parents=True)
    lines = [json.dumps({"loss": 1.0, "iter": step, "step": step}) for step in steps]
    (folder / "scalars.json").write_text("\n".join(lines))
    return folder.parent


def steps(lines: list[str]) -> list[int]:
    return [json.loads(line)["iter"] for line in lines]


def test_training_draws_its_curves(make_runner: Any, tmp_path: Path) -> None:
    hooks = {"report": {"type": "ReportHook"}}
    make_runner(hooks=hooks, scores=[{"top1": 0.5}] * 4).train()
    assert (tmp_path / "run" / "reports" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_only_the_last_validation_is_drawn(
    make_runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(report, "_draw_into", lambda runner, loop: drawn.append(runner.epoch))
    make_runner(hooks={"report": {"type": "ReportHook"}}, scores=[{"top1": 0.5}] * 4).train()
    assert drawn == [4]


def test_heads_of_a_joint_model_draw_into_folders_of_their_own(tmp_path: Path) -> None:
    heads = {"cls": [Accuracy()], "kind": [Accuracy()], "boxes": [DetectionMetric()]}
    loop = SimpleNamespace(evaluator=SimpleNamespace(by_head=heads, metrics=[]))
    report._draw_into(SimpleNamespace(work_dir=tmp_path), loop)
    assert [m[0].out_dir for m in (heads["cls"], heads["kind"])] == [
        tmp_path / "reports" / head for head in ("cls", "kind")
    ]


def test_a_resumed_run_shows_its_past(tmp_path: Path) -> None:
    write(tmp_path, "20250101_000000", [1, 2, 3])
    log_dir = write(tmp_path, "20250102_000000", [3, 4])
    assert steps(_scalars(log_dir, resumed=True)) == [1, 2, 3, 3, 4]
    assert steps(_scalars(log_dir, resumed=False)) == [3, 4]


def test_the_past_begins_with_the_last_new_start(tmp_path: Path) -> None:
    write(tmp_path, "20250101_000000", [1, 2, 3, 4, 5])
    write(tmp_path, "20250102_000000", [1, 2])
    log_dir = write(tmp_path, "20250103_000000", [3])
    write(tmp_path, "20250104_000000", [1])
    assert steps(_scalars(log_dir, resumed=True)) == [1, 2, 3]
