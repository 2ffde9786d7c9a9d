"""What every detection reader does: faulty boxes, background, sizes, samples for mmdet and for us."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tresnet_tasks.datasets import CocoDetection, EpochIndex, EpochSampler, collate

WriteCoco = Callable[..., Path]
LOAD = [dict(type="LoadImage"), dict(type="LoadAnnotations")]
PLAIN = [*LOAD, dict(type="PackDetSample")]
AUGMENTED = [
    *LOAD,
    dict(
        type="Albumentations",
        transforms=[
            dict(type="RandomSizedBBoxSafeCrop", height=16, width=16),
            dict(type="HorizontalFlip"),
            dict(type="ColorJitter"),
        ],
    ),
    dict(type="PackDetSample"),
]


def _with_boxes(write_coco: WriteCoco, *boxes: list[float], **kwargs: Any) -> CocoDetection:
    def change(content: dict[str, Any]) -> None:
        content["annotations"] = [
            dict(id=number, image_id=7, category_id=5, bbox=box)
            for number, box in enumerate(boxes, start=1)
        ]

    path = write_coco(change)
    return CocoDetection(path, path.parent, **kwargs)


GOOD = [1, 1, 5, 5]
FAULTY = {
    "not finite": [math.nan, 1, 5, 5],
    "inverted": [9, 9, -5, 4],
    "without area": [9, 9, 0, 4],
    "outside the image": [40, 2, 5, 5],
}


@pytest.mark.parametrize(("fault", "box"), FAULTY.items())
def test_a_faulty_box_is_dropped_and_told_of(
    write_coco: WriteCoco, fault: str, box: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        dataset = _with_boxes(write_coco, box, GOOD)
    finally:
        logger.removeHandler(caplog.handler)
    assert [i["bbox"] for i in dataset.get_data_info(0)["instances"]] == [[1, 1, 6, 6]]
    assert f"1 faulty box dropped: 1 {fault} ([" in caplog.text
    assert "a.png" in caplog.text


@pytest.mark.parametrize(("fault", "box"), FAULTY.items())
def test_a_faulty_box_is_an_error_on_request(
    write_coco: WriteCoco, fault: str, box: list[float]
) -> None:
    with pytest.raises(ValueError, match=rf"has faulty boxes: 1 {fault} .*a.png"):
        _with_boxes(write_coco, box, GOOD, on_bad_box="raise")


def test_a_box_that_reaches_out_is_clipped_in_training_and_left_in_evaluation(
    write_coco: WriteCoco,
) -> None:
    train = _with_boxes(write_coco, [-2, 20, 10, 10])
    test = _with_boxes(write_coco, [-2, 20, 10, 10], test_mode=True)
    assert train.get_data_info(0)["instances"][0]["bbox"] == [0, 20, 8, 24]
    assert test.get_data_info(0)["instances"][0]["bbox"] == [-2, 20, 8, 30]


def test_a_set_without_any_box_cannot_be_trained_on(write_coco: WriteCoco) -> None:
    with pytest.raises(ValueError, match=r"none of the 2 images .* has a box; there is nothing"):
        _with_boxes(write_coco)
    with pytest.raises(ValueError, match=r"has a box \(1 faulty ones were dropped\)"):
        _with_boxes(write_coco, [40, 2, 5, 5], filter_empty=True)
    assert len(_with_boxes(write_coco, test_mode=True)) == 2


def test_images_without_boxes_are_left_out_on_request(write_coco: WriteCoco) -> None:
    path = write_coco()
    assert len(CocoDetection(path, path.parent, filter_empty=True)) == 1
    assert len(CocoDetection(path, path.parent, filter_empty=True, test_mode=True)) == 2


def test_an_unknown_way_to_treat_faulty_boxes(write_coco: WriteCoco) -> None:
    with pytest.raises(ValueError, match="must be 'drop' or 'raise'"):
        _with_boxes(write_coco, GOOD, on_bad_box="ignore")


def _sizes(height: int, width: int) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["images"][0].update(height=height, width=width)


def test_an_image_of_another_size_than_annotated(write_coco: WriteCoco) -> None:
    path = write_coco(_sizes(48, 64))
    dataset = CocoDetection(path, path.parent, pipeline=PLAIN)
    with pytest.raises(ValueError, match=r"a.png has 32x24 pixels .* annotation says 64x48"):
        dataset[0]


def test_an_image_that_is_turned_says_so(write_coco: WriteCoco) -> None:
    path = write_coco(_sizes(32, 24))
    with pytest.raises(ValueError, match="EXIF orientation"):
        CocoDetection(path, path.parent, pipeline=PLAIN)[0]


def test_an_image_of_another_size_is_left_out_on_request(write_coco: WriteCoco) -> None:
    path = write_coco(_sizes(48, 64))
    dataset = CocoDetection(path, path.parent, pipeline=PLAIN, on_error="skip")
    assert dataset[0]["data_samples"].img_id == 9
    assert dataset.unreadable_files() == [str(path.parent / "a.png")]


def test_an_image_decoded_at_reduced_size_is_refused(tmp_path: Path) -> None:
    import json

    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "a.jpg")
    content = dict(
        images=[dict(id=1, file_name="a.jpg", height=64, width=64)],
        annotations=[dict(id=1, image_id=1, category_id=1, bbox=[1, 1, 9, 9])],
        categories=[dict(id=1, name="cat")],
    )
    (tmp_path / "c.json").write_text(json.dumps(content))
    dataset = CocoDetection("c.json", tmp_path, pipeline=[dict(type="LoadImage", scale=16)])
    with pytest.raises(ValueError, match="LoadImage\\(\\) without scale"):
        dataset[0]


def test_a_sample_is_what_a_detector_takes(write_coco: WriteCoco) -> None:
    path = write_coco()
    sample = CocoDetection(path, path.parent, pipeline=PLAIN)[0]
    assert sample["inputs"].shape == (3, 24, 32)
    assert sample["inputs"].dtype == torch.uint8
    found = sample["data_samples"]
    assert found.gt_instances.bboxes.tensor.tolist() == [[4, 3, 14, 15], [20, 10, 28, 16]]
    assert found.gt_instances.labels.tolist() == [1, 0]
    assert (found.img_id, found.ori_shape, found.scale_factor) == (7, (24, 32), (1.0, 1.0))
    assert [instance["area"] for instance in found.instances] == [100, 40]


def test_a_sample_of_background_has_boxes_of_shape_0_4(write_coco: WriteCoco) -> None:
    path = write_coco()
    for pipeline in (PLAIN, AUGMENTED):
        found = CocoDetection(path, path.parent, pipeline=pipeline)[1]["data_samples"]
        assert found.gt_instances.bboxes.tensor.shape == (0, 4)
        assert found.gt_instances.labels.shape == (0,)


def test_mmdet_s_own_transforms_serve_as_well(write_coco: WriteCoco) -> None:
    pipeline = [
        *LOAD,
        dict(type="RandomFlip", prob=1.0),
        dict(type="Resize", scale=(64, 48)),
        dict(type="RandomCrop", crop_size=(40, 40), allow_negative_crop=True),
        dict(type="PackDetInputs"),
    ]
    path = write_coco()
    sample = CocoDetection(path, path.parent, pipeline=pipeline)[0]
    assert sample["inputs"].shape == (3, 40, 40)
    assert sample["data_samples"].scale_factor == (2.0, 2.0)
    assert sample["data_samples"].flip


def test_where_a_crop_leaves_no_box_the_next_image_takes_its_place(write_coco: WriteCoco) -> None:
    crop = dict(type="RandomCrop", crop_size=(24, 32))
    pipeline = [*LOAD, crop, dict(type="PackDetSample")]
    path = write_coco()
    dataset = CocoDetection(path, path.parent, pipeline=pipeline)
    assert dataset[1]["data_samples"].img_id == 7  # image 9 has no box
    with pytest.raises(ValueError, match=r"returned None for .*b\.png"):
        CocoDetection(path, path.parent, pipeline=pipeline, test_mode=True)[1]
    with pytest.raises(ValueError, match="leave nothing of 2 images"):
        CocoDetection(path, path.parent, pipeline=[*LOAD, lambda results: None])[0]


def _epoch(dataset: CocoDetection, workers: int, epoch: int = 1) -> list[torch.Tensor]:
    sampler = EpochSampler(dataset, shuffle=False, seed=5)
    sampler.set_epoch(epoch)
    loader = DataLoader(dataset, 2, sampler=sampler, num_workers=workers, collate_fn=collate)
    batch = next(iter(loader))
    boxes = [sample.gt_instances.bboxes.tensor for sample in batch["data_samples"]]
    return [*batch["inputs"], *boxes]


def test_samples_do_not_depend_on_the_number_of_workers(write_coco: WriteCoco) -> None:
    path = write_coco()
    dataset = CocoDetection(path, path.parent, pipeline=AUGMENTED)
    for alone, beside in zip(_epoch(dataset, 0), _epoch(dataset, 1), strict=True):
        assert torch.equal(alone, beside)
    assert not torch.equal(_epoch(dataset, 0)[0], _epoch(dataset, 0, epoch=2)[0])


def test_it_can_be_pickled(write_coco: WriteCoco) -> None:
    path = write_coco()
    dataset = CocoDetection(path, path.parent, pipeline=AUGMENTED, with_masks=True)
    again = pickle.loads(pickle.dumps(dataset))
    index = EpochIndex(0, 3)
    assert torch.equal(dataset[index]["inputs"], again[index]["inputs"])
    assert dataset.get_data_info(0) == again.get_data_info(0)


def test_an_image_smaller_than_32_pixels_reaches_the_net(write_coco: WriteCoco) -> None:
    from mmdet.models import DetDataPreprocessor

    from tresnet_tasks.backbones import TResNet

    path = write_coco()
    batch = collate([CocoDetection(path, path.parent, pipeline=PLAIN)[0]])
    preprocessor = DetDataPreprocessor(mean=[0] * 3, std=[255] * 3, pad_size_divisor=32)
    inputs = preprocessor(batch)["inputs"]
    assert inputs.shape == (1, 3, 32, 32)
    arch = dict(layers=(1, 1, 1, 1), width_factor=0.125, blocks=("basic",) * 4)
    assert TResNet(arch, out_indices=(3,)).eval()(inputs)[0].shape[-2:] == (1, 1)


def test_a_thousand_boxes_on_one_image(write_coco: WriteCoco) -> None:
    rng = np.random.default_rng(0)
    boxes = [[float(x), float(y), 3.0, 3.0] for x, y in rng.uniform(0, (29, 21), (1000, 2))]
    dataset = _with_boxes(write_coco, *boxes, pipeline=AUGMENTED)
    sample = dataset[0]["data_samples"]
    kept = len(sample.gt_instances.bboxes)
    assert len(sample.instances) == 1000
    assert kept == len(sample.gt_instances.labels) > 900  # the crop keeps all; slivers go
