"""Mosaic and mixup: samples of several images that depend on (seed, epoch, index) alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from tresnet_tasks.datasets import EpochIndex, EpochSampler, MixedImages, collate
from tresnet_tasks.registry import DATASETS

LOAD = [dict(type="LoadImage"), dict(type="LoadAnnotations")]
MIX = [
    dict(type="Mosaic", img_scale=(64, 64)),
    dict(type="MixUp", img_scale=(64, 64)),
    dict(type="Resize", scale=(64, 64)),
    dict(type="PackDetSample"),
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("scenes") / "digits"
    return dict(
        type="DigitScenes", task="det", data_root=root, num_train=12, num_val=1, pipeline=LOAD
    )


@pytest.fixture(scope="module")
def mixed(scenes: dict[str, Any]) -> MixedImages:
    built = DATASETS.build(dict(type="MixedImages", dataset=scenes, pipeline=MIX))
    assert isinstance(built, MixedImages)
    return built


def test_the_boxes_of_several_images_come_together(mixed: MixedImages) -> None:
    sample = mixed[0]
    assert sample["inputs"].shape == (3, 64, 64)
    assert sample["inputs"].dtype == torch.uint8
    found = sample["data_samples"].gt_instances
    assert len(found.labels) == len(found.bboxes) > 0
    assert len(mixed) == 12
    assert mixed.metainfo["task"] == "detection"


def test_a_sample_depends_on_its_epoch_and_nothing_else(mixed: MixedImages) -> None:
    again = mixed[EpochIndex(3, 1)]["inputs"]
    torch.rand(5)
    assert torch.equal(mixed[EpochIndex(3, 1)]["inputs"], again)
    assert not torch.equal(mixed[EpochIndex(3, 2)]["inputs"], again)


def test_samples_do_not_depend_on_the_number_of_workers(mixed: MixedImages) -> None:
    def first(workers: int) -> torch.Tensor:
        sampler = EpochSampler(mixed, seed=1)
        loader = DataLoader(mixed, 4, sampler=sampler, num_workers=workers, collate_fn=collate)
        batch: torch.Tensor = next(iter(loader))["inputs"]
        return batch

    assert torch.equal(first(0), first(1))


def test_a_transform_can_be_left_out(mixed: MixedImages, scenes: dict[str, Any]) -> None:
    plain = MixedImages(DATASETS.build(scenes), MIX, skip_type_keys=("Mosaic", "MixUp"))
    assert len(plain[0]["data_samples"].gt_instances.labels) == len(plain.get_cat_ids(0))
    plain.update_skip_type_keys(())
    assert torch.equal(plain[0]["inputs"], mixed[0]["inputs"])


def test_mmdet_s_own_wrapper_takes_our_readers(scenes: dict[str, Any]) -> None:
    mix = [MIX[0], dict(type="PackDetInputs")]
    dataset = DATASETS.build(dict(type="MultiImageMixDataset", dataset=scenes, pipeline=mix))
    assert dataset[0]["inputs"].shape == (3, 128, 128)


def test_a_transform_that_gives_nothing_is_named(scenes: dict[str, Any]) -> None:
    dataset = MixedImages(DATASETS.build(scenes), [MIX[-1]])
    dataset.transforms = [("Lost", lambda results: None)]
    with pytest.raises(ValueError, match="transform Lost returned None"):
        dataset[0]


def test_test_time_augmentation_gives_a_batch_a_view(
    tmp_path: Path, scenes: dict[str, Any]
) -> None:
    views = [
        [dict(type="Resize", scale=size) for size in ((64, 64), (96, 96))],
        [dict(type="RandomFlip", prob=p) for p in (0.0, 1.0)],
        [dict(type="PackDetSample")],
    ]
    pipeline = [dict(type="LoadImage"), dict(type="TestTimeAug", transforms=views)]
    dataset = DATASETS.build({**scenes, "pipeline": pipeline, "test_mode": True})
    batch = collate([dataset[0], dataset[1]])
    assert [tuple(view.shape) for view in batch["inputs"]] == [
        (2, 3, side, side) for side in (64, 64, 96, 96)
    ]
    assert [[s.flip for s in view] for view in batch["data_samples"]] == [
        [False] * 2,
        [True] * 2,
    ] * 2
