from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tresnet_tasks.reports import DrawnPrediction, draw_contact_sheet, draw_prediction

GREEN, RED = (46, 139, 87), (192, 57, 43)


def prediction(height: int = 64, width: int = 64, target: str | None = None) -> DrawnPrediction:
    image = np.full((height, width, 3), 128, dtype=np.uint8)
    return DrawnPrediction(image, ["Bär", "猫", "$x$"], [0.7, 0.2, 0.1], [4, 5, 6], "a.png", target)


def count(path: Path, colour: tuple[int, int, int]) -> int:
    with Image.open(path) as picture:
        return int((np.asarray(picture.convert("RGB")) == colour).all(axis=2).sum())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(1, 1), (64, 64), (30, 900), (900, 30), (2000, 2500)])
def test_images_of_any_size_are_drawn_at_a_readable_one(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = draw_prediction(prediction(*size), tmp_path / "new" / "one.png")
    with Image.open(path) as picture:
        assert 500 < picture.width < 700
        assert 100 < picture.height < 400
    assert [file.name for file in path.parent.iterdir()] == ["one.png"]


@pytest.mark.parametrize(
    ("target", "green", "red"), [("Bär", True, False), ("猫", False, True), (None, False, False)]
)
def test_right_and_wrong_are_marked(
    tmp_path: Path, target: str | None, green: bool, red: bool
) -> None:
    path = draw_prediction(prediction(target=target), tmp_path / "one.png")
    assert (count(path, GREEN) > 100) is green
    assert (count(path, RED) > 100) is red


@pytest.mark.parametrize(("columns", "wide"), [(1, False), (5, True)])
def test_contact_sheet_has_the_columns_asked_for(tmp_path: Path, columns: int, wide: bool) -> None:
    path = draw_contact_sheet([prediction()] * 5, tmp_path / "sheet.png", columns)
    with Image.open(path) as picture:
        assert (picture.width > picture.height) is wide


def test_an_empty_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no predictions"):
        draw_contact_sheet([], tmp_path / "sheet.png")


def test_what_is_no_rgb_image_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        DrawnPrediction(np.zeros((4, 4), dtype=np.uint8), ["a"], [1.0])


def test_as_many_scores_as_names_are_needed() -> None:
    with pytest.raises(ValueError, match="2 class names and 1 scores"):
        DrawnPrediction(np.zeros((4, 4, 3), dtype=np.uint8), ["a", "b"], [1.0])
