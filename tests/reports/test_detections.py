from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tresnet_tasks.reports import DrawnDetections, draw_detections

GREY = np.full((40, 60, 3), 128, dtype=np.uint8)


def picture(number: int = 2, **changes: object) -> DrawnDetections:
    boxes = np.array([[5, 5, 30, 25], [20, 10, 58, 39]], dtype=np.float32)[:number]
    fields = {"names": ["cat", "犬"], "scores": [0.9, 0.4], "labels": [0, 1]}
    values = {key: value[:number] for key, value in fields.items()}
    return DrawnDetections(GREY, boxes, **{**values, **changes})  # type: ignore[arg-type]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_a_box_is_drawn_where_it_is(tmp_path: Path) -> None:
    drawn = pixels(draw_detections(picture(1), tmp_path / "one.png"))
    plain = pixels(draw_detections(picture(0), tmp_path / "none.png"))
    rows, columns = np.nonzero(np.abs(drawn - plain).sum(2) > 60)
    # The picture fills the sheet but for its frame: 60 px are about 420 of the drawing's.
    left, right = columns.min() / drawn.shape[1], columns.max() / drawn.shape[1]
    assert 0.05 < left < 0.2 and 0.4 < right < 0.6
    assert rows.min() > 0


def test_masks_tint_the_image(tmp_path: Path) -> None:
    masks = np.ones((1, 40, 60), dtype=np.uint8)
    plain = pixels(draw_detections(picture(1), tmp_path / "plain.png"))
    tinted = pixels(draw_detections(picture(1, masks=masks), tmp_path / "tinted.png"))
    assert (np.abs(tinted - plain).sum(2) > 30).mean() > 0.5


def test_several_images_come_on_one_sheet(tmp_path: Path) -> None:
    one = pixels(draw_detections(picture(), tmp_path / "one.png"))
    sheet = pixels(draw_detections([picture(), picture(0), picture(1)], tmp_path / "sheet.png"))
    assert sheet.shape[0] > 1.6 * one.shape[0] and sheet.shape[1] > 1.6 * one.shape[1]


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no detections to draw"):
        draw_detections([], tmp_path / "x.png")


def test_numbers_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="2 boxes, 1 names"):
        picture(names=["cat"])


def test_an_image_of_floats_is_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        DrawnDetections(np.zeros((4, 4, 3)), np.zeros((0, 4)), [], [], [])  # type: ignore[arg-type]


def test_a_label_is_seen_at_the_upper_edge_too(tmp_path: Path) -> None:
    plain = pixels(draw_detections(picture(0), tmp_path / "none.png"))
    changed = []
    for top in (0, 14):
        box = np.array([[5, top, 40, top + 20]], dtype=np.float32)
        one = DrawnDetections(GREY, box, names=["cat"], scores=[0.9], labels=[0])
        drawn = pixels(draw_detections(one, tmp_path / "one.png"))
        changed.append((np.abs(drawn - plain).sum(2) > 60).sum())
    assert changed[0] > 0.75 * changed[1]
