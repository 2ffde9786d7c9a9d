from __future__ import annotations

import numpy as np
import pytest

from tresnet_tasks.datasets.labels import MultiLabels, SingleLabels


def multi(unlisted: int) -> MultiLabels:
    labels = MultiLabels(unlisted)
    for image in ({0: 1, 3: -1}, {}, {3: 1, 1: 0}):
        labels.append(image)
    return labels


@pytest.mark.parametrize(
    ("unlisted", "expected"),
    [
        (0, [[1, 0, 0, -1], [0, 0, 0, 0], [0, 0, 0, 1]]),
        (-1, [[1, -1, -1, -1], [-1, -1, -1, -1], [-1, 0, -1, 1]]),
    ],
)
def test_what_is_not_listed_is_negative_or_unknown(
    unlisted: int, expected: list[list[int]]
) -> None:
    labels = multi(unlisted)
    got = [labels.fields(index, 4)["gt_score"] for index in range(3)]
    assert np.array_equal(got, np.array(expected, np.float32))
    assert [labels.positives(index) for index in range(3)] == [[0], [], [3]]
    assert labels.positives(-1) == [3]


@pytest.mark.parametrize("unlisted", [0, -1])
def test_the_counts_are_those_of_the_matrix(unlisted: int) -> None:
    labels = multi(unlisted)
    matrix = np.array([labels.fields(index, 5)["gt_score"] for index in range(3)])
    held, known = labels.counts(5)
    assert held.tolist() == (matrix == 1).sum(0).tolist()
    assert known.tolist() == (matrix >= 0).sum(0).tolist()


@pytest.mark.parametrize("value", [2, -2, 0.5])
def test_a_label_other_than_1_0_and_unknown_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"class 7 has the label .*; expected 1"):
        MultiLabels(0).append({7: value})


def test_another_meaning_of_unlisted_is_refused() -> None:
    with pytest.raises(ValueError, match="unlisted is 1; expected 0"):
        MultiLabels(1)


def test_one_label_an_image_is_counted_too() -> None:
    labels = SingleLabels()
    for label in (2, 0, 2):
        labels.append(label)
    assert labels.ids.tolist() == [2, 0, 2]
    assert labels.fields(0, 3) == {"gt_label": 2}
    held, known = labels.counts(4)
    assert (held.tolist(), known.tolist()) == ([1, 0, 2, 0], [3, 3, 3, 3])
