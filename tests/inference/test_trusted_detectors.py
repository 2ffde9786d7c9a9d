"""Detectors out of a checkpoint: what they need is built, what would run something is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from tresnet_tasks.inference.trusted_config import trusted_model, trusted_pipeline
from tresnet_tasks.training.completion import complete_config
from tresnet_tasks.upstream.checkpoints import plain_data

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "det"
CLASSES = [str(number) for number in range(80)]
REFUSED = "is refused, and nothing in it was run"


def stored(name: str) -> dict[str, Any]:
    """A model's config as a checkpoint holds it."""
    model = Config.fromfile(CONFIGS / f"{name}.py").model
    plain: dict[str, Any] = plain_data(complete_config(Config({"model": model}), CLASSES))
    return plain["model"]


@pytest.fixture(scope="module")
def faster_rcnn() -> dict[str, Any]:
    return stored("faster_rcnn_tresnet_m_coco")


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*_coco.py")))
def test_every_detector_of_ours_is_rebuilt(name: str) -> None:
    model = stored(name)
    rebuilt = trusted_model(model)
    assert rebuilt["type"] == f"mmdet.{model['type']}"
    assert rebuilt["backbone"]["type"].endswith("TResNet")


def test_the_names_in_rebuilt_nms_are_those_that_mmcv_evaluates(faster_rcnn: Any) -> None:
    rebuilt = trusted_model(faster_rcnn)
    assert rebuilt["test_cfg"]["rcnn"]["nms"]["type"] == "nms"
    extractor = rebuilt["roi_head"]["bbox_roi_extractor"]
    assert extractor["roi_layer"]["type"] == "RoIAlign"


@pytest.mark.parametrize("name", ["__import__('os').system('true')", "nms_match", "mmdet.nms", "F"])
def test_another_name_where_mmcv_evaluates_it_is_refused(faster_rcnn: Any, name: str) -> None:
    model = copy.deepcopy(faster_rcnn)
    for place in (model["test_cfg"]["rpn"], model["test_cfg"]["rcnn"]):
        place["nms"]["type"] = name
    with pytest.raises(ValueError, match=REFUSED):
        trusted_model(model)


def test_another_name_where_a_package_is_searched_is_refused(faster_rcnn: Any) -> None:
    model = copy.deepcopy(faster_rcnn)
    model["roi_head"]["bbox_roi_extractor"]["roi_layer"]["type"] = "load_ext"
    with pytest.raises(ValueError, match=f"{REFUSED}.*expected RoIAlign or RoIPool"):
        trusted_model(model)


@pytest.mark.parametrize(
    "kind",
    [
        *("KnowledgeDistillationSingleStageDetector", "LAD", "GLIP", "GroundingDINO"),
        *("Detectron2Wrapper", "SoftTeacher", "mmdet.SwinTransformer", "mmdet.DeepSORT"),
    ],
)
def test_what_reads_other_files_is_refused(faster_rcnn: Any, kind: str) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        trusted_model({**faster_rcnn, "type": kind})


def test_the_scope_of_mmdets_bases_is_taken_and_no_other(faster_rcnn: Any) -> None:
    assert "_scope_" not in trusted_model({**faster_rcnn, "_scope_": "mmdet"})
    with pytest.raises(ValueError, match=REFUSED):
        trusted_model({**faster_rcnn, "_scope_": "os"})


def test_mmdets_transforms_of_a_test_are_taken() -> None:
    steps = [
        {"type": "LoadImage"},
        {"type": "Resize", "scale": (64, 64), "keep_ratio": True},
        {"type": "mmdet.Pad", "size_divisor": 32},
        {"type": "PackDetInputs"},
    ]
    kinds = [step["type"] for step in trusted_pipeline(steps)]
    assert kinds == ["LoadImage", "mmdet.Resize", "mmdet.Pad", "mmdet.PackDetInputs"]


@pytest.mark.parametrize(
    "step",
    [
        {"type": "LoadAnnotations", "backend_args": {"backend": "petrel"}},
        {"type": "mmdet.Corrupt", "corruption": "gaussian_noise"},
        {"type": "Albu", "transforms": [{"type": "os.system"}]},
    ],
)
def test_transforms_that_reach_further_are_refused(step: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        trusted_pipeline([step])
