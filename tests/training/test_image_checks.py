from __future__ import annotations

from typing import Any

import pytest

from tresnet_tasks.training.image_checks import check_detector_images


def model(**preprocessor: Any) -> dict[str, Any]:
    settings = {"type": "DetDataPreprocessor", "mean": [0.0] * 3, "std": [255.0] * 3}
    return {
        "backbone": {"type": "tresnet_tasks.TResNet"},
        "data_preprocessor": {**settings, **preprocessor},
    }


def reader(first: str) -> list[dict[str, Any]]:
    return [{"type": "CocoDetection", "pipeline": [{"type": first}, {"type": "PackDetSample"}]}]


@pytest.mark.parametrize(("first", "turned"), [("LoadImage", False), ("LoadImageFromFile", True)])
def test_images_in_their_right_order_and_scale_pass(first: str, turned: bool) -> None:
    check_detector_images(model(bgr_to_rgb=turned), reader(first))


@pytest.mark.parametrize(
    ("first", "turned"), [("LoadImage", True), ("mmcv.LoadImageFromFile", False)]
)
def test_colours_in_the_wrong_order_are_refused(first: str, turned: bool) -> None:
    with pytest.raises(ValueError, match=f"Set bgr_to_rgb={not turned}"):
        check_detector_images(model(bgr_to_rgb=turned), reader(first))


def test_the_mean_of_another_backbone_is_refused() -> None:
    mean = [123.675, 116.28, 103.53]
    with pytest.raises(ValueError, match="TResNet takes RGB in"):
        check_detector_images(model(mean=mean), reader("LoadImage"))


def test_another_backbone_takes_what_it_likes() -> None:
    other = {**model(mean=[103.5] * 3), "backbone": {"type": "ResNet"}}
    check_detector_images(other, reader("LoadImage"))
