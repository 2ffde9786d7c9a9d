from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tresnet_tasks.reports import draw_curves
from tresnet_tasks.reports.curves import _read_curves


def write(path: Path, records: list[dict[str, Any]], tail: str = "") -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records) + tail)
    return path


def train(iteration: int, loss: float) -> dict[str, Any]:
    times = {"data_time": 0.1, "time": 0.2, "memory": 100, "epoch": 1}
    rates = {"lr": 0.1, "base_lr": 0.1}
    return {**rates, **times, "loss": loss, "iter": iteration, "step": iteration}


def val(step: int, top1: float) -> dict[str, Any]:
    return {"top1": top1, "data_time": 0.1, "time": 0.2, "step": step}


RECORDS = [train(10, 2.0), train(20, 1.0), val(1, 0.5), train(30, 0.5), val(2, 0.75)]


def test_losses_rates_and_scores_are_told_apart(tmp_path: Path) -> None:
    losses, rates, scores, by_epoch = _read_curves(write(tmp_path / "scalars.json", RECORDS))
    assert losses == {"loss": [(10, 2.0), (20, 1.0), (30, 0.5)]}
    assert rates == {"lr": [(10, 0.1), (20, 0.1), (30, 0.1)]}
    assert scores == {"top1": [(1, 0.5), (2, 0.75)]}
    assert by_epoch


def test_scores_by_iteration_are_recognised(tmp_path: Path) -> None:
    file = write(tmp_path / "scalars.json", [train(10, 2.0), val(10, 0.5)])
    assert not _read_curves(file)[3]


def test_a_point_noted_twice_counts_as_noted_last(tmp_path: Path) -> None:
    file = write(tmp_path / "scalars.json", [train(10, 2.0), train(20, 1.0), train(10, 3.0)])
    assert _read_curves(file)[0] == {"loss": [(10, 3.0), (20, 1.0)]}


@pytest.mark.filterwarnings("error")
def test_curves_are_drawn_from_a_run_that_was_cut_short(tmp_path: Path) -> None:
    file = write(tmp_path / "scalars.json", [*RECORDS, train(40, float("nan"))], tail='{"lr": 0.')
    path = draw_curves(file, tmp_path / "new" / "curves.png", title="a $run")
    with Image.open(path) as picture:
        assert picture.width > picture.height > 200
    assert [f.name for f in path.parent.iterdir()] == ["curves.png"]


def test_each_head_of_a_joint_model_has_a_panel_of_its_own(tmp_path: Path) -> None:
    def draw(*names: str) -> float:
        records = [{**dict.fromkeys(names, 0.5), "step": 1}]
        picture = draw_curves(write(tmp_path / "scalars.json", records), tmp_path / "c.png")
        with Image.open(picture) as image:
            return image.width / image.height

    one = draw("top1", "mAP")
    assert draw("cls/top1", "tags/mAP") == pytest.approx(2 * one, rel=0.1)


def test_scores_alone_are_drawn(tmp_path: Path) -> None:
    file = write(tmp_path / "scalars.json", [val(0, 0.5)])
    assert draw_curves(file, tmp_path / "curves.png").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"vis_data/scalars\.json below"):
        draw_curves(tmp_path / "none.json", tmp_path / "curves.png")


def test_a_file_without_curves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no losses and no scores"):
        draw_curves(write(tmp_path / "scalars.json", [], "hello\n"), tmp_path / "curves.png")
