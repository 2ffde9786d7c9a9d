"""COCO's average precision against pycocotools, on both libraries."""

from __future__ import annotations

import copy
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tresnet_tasks.metrics import coco_scores
from tresnet_tasks.metrics.coco_scores import BACKENDS

MakeUp = Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_the_scores_are_pycocotools_own(
    iou_type: str, backend: str, made_up: MakeUp, by_pycocotools: Callable[..., Any]
) -> None:
    ground_truth, results = made_up()
    scores = coco_scores(ground_truth, results, iou_type, backend)
    expected = by_pycocotools(ground_truth, results, iou_type)
    found = [scores.summary[name] for name in NAMES]
    np.testing.assert_allclose(found, expected.stats[:6], rtol=0, atol=1e-6)
    precision = expected.eval["precision"][..., 0, -1]  # (IoU, recall, class)
    np.testing.assert_allclose(scores.class_ap[:, 0], precision.mean((0, 1)), rtol=0, atol=1e-6)
    np.testing.assert_allclose(scores.class_ap[:, 1], precision[0].mean(0), rtol=0, atol=1e-6)
    counted = [a["category_id"] for a in ground_truth["annotations"] if not a["iscrowd"]]
    assert scores.support.tolist() == [counted.count(label) for label in (1, 2, 3)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_without_detections_the_scores_are_0(iou_type: str, backend: str, made_up: MakeUp) -> None:
    scores = coco_scores(made_up()[0], [], iou_type, backend)
    assert scores.summary["AP"] == scores.summary["AP50"] == 0
    assert scores.class_ap.tolist() == [[0, 0, 0]] * 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_nothing_is_of_has_no_score(backend: str, made_up: MakeUp) -> None:
    ground_truth, results = made_up()
    ground_truth["categories"].append(dict(id=4, name="rare"))
    scores = coco_scores(ground_truth, results, backend=backend)
    assert np.isnan(scores.class_ap[3]).all()
    assert not np.isnan(scores.summary["AP"])
    empty = coco_scores({**ground_truth, "annotations": []}, results, backend=backend)
    assert np.isnan(list(empty.summary.values())).all()


def test_a_thousand_objects_on_one_image() -> None:
    annotations = [
        dict(id=i + 1, image_id=1, category_id=1, bbox=[i, 0, 1, 1], area=1, iscrowd=0)
        for i in range(1000)
    ]
    results = [dict(image_id=1, category_id=1, bbox=[i, 0, 1, 1], score=0.5) for i in range(1000)]
    ground_truth = dict(
        images=[dict(id=1, height=9, width=1000)],
        annotations=annotations,
        categories=[dict(id=1, name="cell")],
    )
    scores = coco_scores(ground_truth, results)
    # The best 100 of an image count: right at 11 of the 101 recalls.
    assert scores.summary["AP"] == pytest.approx(11 / 101)


def test_the_inputs_stay_as_they_were(made_up: MakeUp) -> None:
    ground_truth, results = made_up(2)
    kept = copy.deepcopy((ground_truth, results))
    coco_scores(ground_truth, results)
    assert kept[1] == results
    assert kept[0]["images"] == ground_truth["images"]


def test_another_kind_or_library_is_refused(made_up: MakeUp) -> None:
    with pytest.raises(ValueError, match="must be 'bbox' or 'segm'"):
        coco_scores(*made_up(1), "keypoints")
    with pytest.raises(ValueError, match="must be one of faster_coco_eval, pycocotools"):
        coco_scores(*made_up(1), backend="mine")


def test_pycocotools_serves_where_the_faster_one_is_not_installed(
    made_up: MakeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys.modules[coco_scores.__module__], "find_spec", lambda name: name == "pycocotools" or None
    )
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    assert coco_scores(*made_up(2)).summary["AP"] >= 0


def test_the_benchmark_runs(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(repository / "tools")
    benchmark = runpy.run_path(str(repository / "tools" / "benchmarks" / "eval.py"))
    assert benchmark["main"](["--images", "3"]) == 0
    assert "3 images, 21 boxes, 210 detections" in capsys.readouterr().out
