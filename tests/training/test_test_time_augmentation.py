from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.config import Config
from PIL import Image

from tresnet_tasks.registry import TRANSFORMS
from tresnet_tasks.training.launch import load_config
from tresnet_tasks.training.test_time_augmentation import complete_views, merge_views

CLASSIFIER = dict(type="Classifier")
LOAD, PACK = dict(type="LoadImage"), dict(type="PackDetSample")


def config(model: dict[str, Any], dataset: dict[str, Any] | None = None, **more: Any) -> Config:
    dataset = dataset or dict(type="CocoDetection", pipeline=[LOAD, PACK])
    return Config(dict(model=model, test_dataloader=dict(dataset=dataset), **more))


def piped(pipeline: Any, image: Path) -> Any:
    found: Any = dict(img_path=str(image))
    for step in pipeline:
        found = TRANSFORMS.build(step)(found)
    return found


def sizes_and_flips(pipeline: Any, image: Path) -> list[tuple[tuple[int, int], bool]]:
    found = piped(pipeline, image)
    packed = zip(found["inputs"], found["data_samples"], strict=True)
    return [(tuple(pixels.shape[1:]), sample.flip) for pixels, sample in packed]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.new("RGB", (64, 48)).save(tmp_path / "image.png")
    return tmp_path / "image.png"


def test_by_default_the_views_are_the_image_and_its_mirror_image(image: Path) -> None:
    cfg = config(CLASSIFIER)
    complete_views(cfg)
    views = sizes_and_flips(cfg.test_dataloader.dataset.pipeline, image)
    assert views == [((48, 64), False), ((48, 64), True)]


def test_padding_comes_after_the_mirror(image: Path) -> None:
    pad = dict(type="Pad", size=(64, 64), pad_val=dict(img=(114, 114, 114)))
    cfg = config(CLASSIFIER, dict(type="CocoDetection", pipeline=[LOAD, pad, PACK]))
    complete_views(cfg)
    for pixels in piped(cfg.test_dataloader.dataset.pipeline, image)["inputs"]:
        assert not pixels[:, :48].any()
        assert (pixels[:, 48:] == 114).all()


def test_the_pipeline_inside_a_wrapper_is_meant(image: Path) -> None:
    inner = dict(type="CocoDetection", pipeline=[LOAD, PACK])
    cfg = config(CLASSIFIER, dict(type="RepeatDataset", times=2, dataset=inner))
    complete_views(cfg)
    pipeline = cfg.test_dataloader.dataset.dataset.pipeline
    assert len(sizes_and_flips(pipeline, image)) == 2


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("det/fcos_tresnet_m_coco", [(800, 1067), (400, 533), (1200, 1600)]),
        ("det/rtmdet_tresnet_m_coco", [(960, 960)] * 3),
    ],
)
def test_configs_for_coco_look_at_three_sizes(
    name: str, sizes: list[tuple[int, int]], image: Path
) -> None:
    cfg = load_config(name)
    complete_views(cfg)
    views = sizes_and_flips(cfg.test_dataloader.dataset.pipeline, image)
    assert views == [(size, flip) for size in sizes for flip in (False, True)]


def test_boxes_are_merged_by_the_nms_of_the_detector() -> None:
    nms = dict(type="nms", iou_threshold=0.7)
    cfg = config(dict(type="FCOS", test_cfg=dict(nms=nms, max_per_img=20)))
    complete_views(cfg)
    assert cfg.tta_model == dict(type="DetTTAModel", tta_cfg=dict(nms=nms, max_per_img=20))


def test_of_two_stages_the_nms_of_the_second_counts() -> None:
    second = dict(nms=dict(type="nms", iou_threshold=0.4), max_per_img=30)
    first = dict(nms=dict(type="nms", iou_threshold=0.7), max_per_img=1000)
    cfg = config(dict(type="FasterRCNN", test_cfg=dict(rpn=first, rcnn=second)))
    complete_views(cfg)
    assert cfg.tta_model.tta_cfg == second


def test_a_detector_without_nms_gets_mmdet_s_rule() -> None:
    cfg = config(dict(type="DINO", test_cfg=dict(max_per_img=300)))
    complete_views(cfg)
    nms = dict(type="nms", iou_threshold=0.5)
    assert cfg.tta_model.tta_cfg == dict(nms=nms, max_per_img=300)


def test_what_the_config_states_comes_first() -> None:
    pipeline = [LOAD, dict(type="TestTimeAug", transforms=[[PACK]])]
    stated = dict(type="DetTTAModel", tta_cfg=dict(nms=dict(type="soft_nms"), max_per_img=7))
    cfg = config(dict(type="FCOS"), tta_model=stated, tta_pipeline=pipeline)
    complete_views(cfg)
    assert cfg.tta_model == stated
    assert cfg.test_dataloader.dataset.pipeline == pipeline


def test_a_joint_model_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"--tta is for a classifier or a detector.*MultiTaskModel"
    ):
        complete_views(config(dict(type="MultiTaskModel")))


def test_masks_are_refused() -> None:
    cfg = config(dict(type="MaskRCNN"))
    complete_views(cfg)
    with pytest.raises(ValueError, match="--tta merges boxes; MaskRCNN finds masks as well"):
        merge_views(SimpleNamespace(with_mask=True), cfg)


def test_test_data_without_a_pipeline_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a pipeline"):
        complete_views(config(CLASSIFIER, dict(type="CocoDetection")))


def test_views_in_another_order_of_colours_are_refused() -> None:
    preprocessor = dict(type="DetDataPreprocessor", mean=[0.0] * 3, std=[255.0] * 3)
    model = dict(type="FCOS", data_preprocessor=preprocessor, backbone=dict(type="TResNet"))
    pipeline = [dict(type="LoadImageFromFile"), PACK]
    with pytest.raises(ValueError, match="LoadImageFromFile gives BGR"):
        complete_views(config(model, tta_pipeline=pipeline))
