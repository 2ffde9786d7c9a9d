from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from tresnet_tasks.training.checks import check_config
from tresnet_tasks.training.completion import complete_config

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "det"
COCO = [f"class {number}" for number in range(80)]


def completed(name: str, classes: list[str] = COCO, **changes: Any) -> Any:
    model = Config.fromfile(CONFIGS / f"{name}.py").model
    model.update(changes)
    return complete_config(Config({"model": model}), classes).model


def test_neck_and_head_get_their_channels_and_classes() -> None:
    model = completed("fcos_tresnet_m_coco")
    assert model.neck.in_channels == [128, 1024, 2048]
    assert model.bbox_head.in_channels == 256
    assert model.bbox_head.num_classes == 80


def test_every_head_of_a_cascade_gets_the_classes_and_the_proposals_keep_one() -> None:
    model = completed("cascade_rcnn_tresnet_m_coco")
    assert [head.num_classes for head in model.roi_head.bbox_head] == [80, 80, 80]
    assert "num_classes" not in model.rpn_head
    assert model.neck.in_channels == [64, 128, 1024, 2048]


def test_the_mask_head_gets_them_too() -> None:
    roi_head = completed("mask_rcnn_tresnet_m_coco").roi_head
    assert (roi_head.bbox_head.num_classes, roi_head.mask_head.num_classes) == (80, 80)


def test_a_query_head_gets_them() -> None:
    assert completed("dino_tresnet_m_coco", ["a", "b"]).bbox_head.num_classes == 2


def test_classes_that_are_stated_must_be_those_of_the_data() -> None:
    with pytest.raises(
        ValueError, match=r"roi_head.bbox_head\[0\] has num_classes=80 but the checkpoint"
    ):
        completed("cascade_rcnn_tresnet_m_coco", ["red", "blue"])


def test_channels_that_are_stated_must_be_the_backbones() -> None:
    with pytest.raises(ValueError, match=r"neck has in_channels=.* but the backbone returns"):
        completed("fcos_tresnet_m_coco", neck={"type": "FPN", "in_channels": [256, 512, 1024]})


def test_a_head_that_states_other_channels_than_the_neck_returns_is_refused() -> None:
    head = {"type": "FCOSHead", "in_channels": 64}
    with pytest.raises(ValueError, match="bbox_head has in_channels=64 but the neck returns 256"):
        completed("fcos_tresnet_m_coco", bbox_head=head)


def test_a_neck_of_one_map_gets_a_number_where_it_takes_one() -> None:
    cfg = Config(
        {
            "model": {
                "type": "YOLOF",
                "backbone": {"type": "TResNet", "out_indices": (3,)},
                "neck": {"type": "DilatedEncoder", "out_channels": 512},
            }
        }
    )
    assert complete_config(cfg).model.neck.in_channels == 2048


def test_a_neck_that_counts_from_the_coarsest_map_gets_them_in_its_order() -> None:
    cfg = Config(
        {
            "model": {
                "type": "YOLOV3",
                "backbone": {"type": "TResNet", "out_indices": (1, 2, 3)},
                "neck": {"type": "YOLOV3Neck", "num_scales": 3, "out_channels": [512, 256, 128]},
            }
        }
    )
    assert complete_config(cfg).model.neck.in_channels == [2048, 1024, 128]


def test_a_misspelt_argument_of_mmdets_is_answered_with_the_right_one() -> None:
    cfg = Config.fromfile(CONFIGS / "fcos_tresnet_m_coco.py")
    cfg.model.bbox_head.centre_sampling = True
    with pytest.raises(
        ValueError, match=r"FCOSHead has no argument 'centre_sampling'. Did you mean"
    ):
        check_config(cfg)
