from __future__ import annotations

import pytest

from tresnet_tasks.reports.figure_files import readable, shorten


@pytest.mark.parametrize("name", ["cat", "Bär", "кошка", "γάτα", "x_y$z"])
def test_what_the_bundled_font_has_stays(name: str) -> None:
    assert readable(name, "#3") == name


@pytest.mark.parametrize("name", ["", "\U0010fffd"])
def test_what_cannot_be_drawn_is_replaced(name: str) -> None:
    assert readable(name, "#3") == "#3"


@pytest.mark.parametrize(
    ("name", "fallback", "expected"),
    [
        ("n\u00e4me \U0010fffd\U0010fffe.jpg", "", "n\u00e4me ….jpg"),
        ("rose \U0010fffd", "#3", "#3 rose …"),
        ("\U0010fffd - \U0010fffe", "#3", "#3"),
    ],
)
def test_of_a_name_that_can_be_drawn_in_part_the_part_is_shown(
    name: str, fallback: str, expected: str
) -> None:
    assert readable(name, fallback) == expected


def test_a_name_becomes_one_line() -> None:
    assert readable("two\n\tlines", "#3") == "two lines"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("short", "short"), ("exactly-10", "exactly-10"), ("abcdefghijkl", "abcdef…jkl")],
)
def test_long_names_lose_their_middle(name: str, expected: str) -> None:
    assert shorten(name, 10) == expected


def test_wide_characters_count_twice() -> None:
    assert shorten("猫" * 10, 20) == "猫" * 10
    assert len(shorten("猫" * 10, 11)) <= 6
