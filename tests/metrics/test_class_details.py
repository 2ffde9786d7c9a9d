"""Scores of single classes, which stay out of lines and pictures."""

from __future__ import annotations

import pytest

from tresnet_tasks.metrics.class_details import is_class_detail

NAMES = {"AP", "AP/person", "AP/and/or", "val/loss", "boxes/AP", "boxes/AP/person"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_score_of_a_class_has_the_name_of_the_whole_before_its_own(name: str) -> None:
    details = {"AP/person", "AP/and/or", "boxes/AP/person"}
    assert is_class_detail(name, NAMES) == (name in details)
