"""The table of the classes' average precision."""

from __future__ import annotations

import numpy as np

from tresnet_tasks.metrics.coco_scores import CocoScores
from tresnet_tasks.metrics.detection_table import detection_table


def _scores(ap: list[float], support: list[int]) -> CocoScores:
    three = np.array([[value, value, value] for value in ap])
    mean = float(np.nanmean(three))
    names = ("AP", "AP50", "AP75")
    return CocoScores(dict.fromkeys(names, mean), three, np.array(support))


def test_a_line_a_class_and_one_for_all() -> None:
    text = detection_table(_scores([0.5, 0.25], [3, 1]), ["cat", "[red]dog"])
    lines = [line.split() for line in text.splitlines()]
    assert ["cat", "3", "50.0", "50.0", "50.0"] in lines
    assert ["[red]dog", "1", "25.0", "25.0", "25.0"] in lines
    assert ["mean", "(%)", "4", "37.5", "37.5", "37.5"] in lines


def test_a_class_without_objects_has_no_score() -> None:
    text = detection_table(_scores([0.5, np.nan], [3, 0]), ["cat", "dog"])
    assert ["dog", "0", "-", "-", "-"] in [line.split() for line in text.splitlines()]


def test_where_nothing_is_to_be_found_there_is_no_mean() -> None:
    nothing = CocoScores(
        dict.fromkeys(("AP", "AP50", "AP75"), np.nan), np.full((1, 3), np.nan), np.array([0])
    )
    lines = [line.split() for line in detection_table(nothing, ["cat"]).splitlines()]
    assert ["mean", "(%)", "0", "-", "-", "-"] in lines


def test_of_many_classes_the_worst_are_listed() -> None:
    scores = _scores([0.9, 0.1, 0.5, np.nan], [1, 1, 1, 0])
    text = detection_table(scores, ["a", "b", "c", "d"], rows=2)
    assert "The 2 of 4 classes with the lowest AP" in text
    assert [line.split()[0] for line in text.splitlines() if line.startswith("  ")][1:3] == [
        "b",
        "c",
    ]
