"""Many strings in one block of memory behave like a list of them."""

from __future__ import annotations

import os

import pytest

from tresnet_tasks.datasets.packed_strings import PackedStrings

NAMES = ["a.jpg", "", "größe 一.png", os.fsdecode(b"not utf-8 \xff.jpg")]


def test_it_gives_back_what_it_was_given() -> None:
    packed = PackedStrings(iter(NAMES))
    assert list(packed) == NAMES
    assert packed[-1] == NAMES[-1]
    assert packed[1:3] == NAMES[1:3]


def test_it_may_be_empty() -> None:
    assert list(PackedStrings([])) == []


def test_out_of_range() -> None:
    with pytest.raises(IndexError, match="4 is out of range for 4"):
        PackedStrings(NAMES)[4]
