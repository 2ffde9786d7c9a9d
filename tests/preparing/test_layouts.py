"""What is prepared is what the readers read, in the folders that the configs name."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from tresnet_tasks.preparing import SOURCES, prepare
from tresnet_tasks.registry import DATASETS

CONFIGS = {  # which images of the small data sets a config trains and tests on
    "cifar10": ("cifar10", 10, 3),
    "cifar100": ("cifar100", 6, 3),
    "flowers102": ("flowers102", 5, 4),
    "cars": ("cars", 4, 3),
    "voc07": ("voc2007_multilabel_448", 3, 2),
    "coco2014": ("coco2014_multilabel", 4, 2),
    "coco2017": ("coco_detection", 4, 2),
    "imagenet": ("imagenet", 6, 4),
    "imagenette": ("imagenette_128", 9, 3),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_finds_what_is_prepared(
    name: str, small, repository: Path, tmp_path: Path
) -> None:
    made = small(name)
    prepare(made.source, tmp_path / "data", archive_dir=made.write(tmp_path / "mine"))
    file, train, test = CONFIGS[name]
    cfg = Config.fromfile(repository / "configs" / "_base_" / "datasets" / f"{file}.py")
    for loader, images in ((cfg.train_dataloader, train), (cfg.test_dataloader, test)):
        described = dict(loader.dataset, data_root=str(tmp_path / loader.dataset.data_root))
        dataset = DATASETS.build(dict(described, pipeline=[dict(type="LoadImage")]))
        assert len(dataset) == images
        assert dataset[0]["img"].shape[2] == 3


def test_the_labels_of_imagenets_validation_images_are_those_of_the_ground_truth(
    small, tmp_path: Path
) -> None:
    made = small("imagenet")
    done = prepare(made.source, tmp_path, archive_dir=made.write(tmp_path / "mine"))
    described = dict(type="ImageFolder", data_root=str(done.folder), data_prefix="val")
    dataset = DATASETS.build(dict(described, pipeline=[]))
    labels = {Path(dataset[i]["img_path"]).name: dataset[i]["gt_label"] for i in range(4)}
    assert [label for _, label in sorted(labels.items())] == [2, 0, 0, 1]  # 3, 1, 1, 2 from 1


@pytest.mark.parametrize(
    ("name", "reader", "images"),
    [
        ("voc12", {"type": "VOCTags", "ann_file": "ImageSets/Main/train.txt"}, 2),
        ("voc12", {"type": "VocDetection", "ann_file": "ImageSets/Main/val.txt"}, 3),
        ("imagenette320", {"type": "ImageFolder", "data_prefix": "train"}, 9),
        ("imagenette160", {"type": "ImageFolder", "data_prefix": "val"}, 3),
    ],
)
def test_a_reader_reads_what_no_config_names(
    name: str, reader: dict, images: int, small, tmp_path: Path
) -> None:
    made = small(name)
    done = prepare(made.source, tmp_path, archive_dir=made.write(tmp_path / "mine"))
    root = done.folder / "VOC2012" if name == "voc12" else done.folder
    assert len(DATASETS.build({**reader, "data_root": str(root), "pipeline": []})) == images


def test_every_data_set_is_read() -> None:
    assert set(CONFIGS) | {"voc12", "imagenette320", "imagenette160"} == set(SOURCES)
