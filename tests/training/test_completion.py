from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from tresnet_tasks.training.completion import complete_config, feature_spec

Write = Callable[..., Path]
COLOURS = ["blue", "green", "red"]


@pytest.fixture
def cfg(tiny_config: Write) -> Config:
    read = Config.fromfile(tiny_config())
    read.randomness = {"seed": 5}
    return read


@pytest.fixture
def list_file(tiny_data: Path) -> Path:
    lines = [f"train/{name}/0.png {label}" for label, name in enumerate(COLOURS)]
    (tiny_data / "list.txt").write_text("\n".join(lines))
    return tiny_data / "list.txt"


def as_list(cfg: Config, list_file: Path, **more: Any) -> Config:
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset = {
            "type": "ImageList",
            "ann_file": str(list_file),
            "data_root": str(list_file.parent),
            **more,
        }
    return cfg


def test_channels_come_from_the_backbone_and_classes_from_the_data(cfg: Config) -> None:
    complete_config(cfg)
    assert cfg.model.head.in_channels == 256
    assert cfg.model.head.num_classes == 3
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.classes == COLOURS


def test_the_number_of_classes_reaches_the_batch_augmentations(cfg: Config) -> None:
    cfg.model.data_preprocessor = {"type": "Preprocessor", "mixes": [{"type": "MixUp"}]}
    complete_config(cfg)
    assert cfg.model.data_preprocessor.num_classes == 3


def test_the_seed_reaches_data_sets_and_samplers_that_have_none(cfg: Config) -> None:
    cfg.val_dataloader.dataset.seed = 8
    complete_config(cfg)
    assert cfg.train_dataloader.dataset.seed == cfg.train_dataloader.sampler.seed == 5
    assert cfg.val_dataloader.dataset.seed == 8


def test_what_is_stated_and_agrees_stays(cfg: Config) -> None:
    cfg.model.head.update(in_channels=256, num_classes=3)
    cfg.train_dataloader.dataset.classes = tuple(COLOURS)
    complete_config(cfg)
    assert cfg.model.head.num_classes == 3


@pytest.mark.parametrize(
    ("stated", "parts"),
    [
        ({"num_classes": 7}, ("num_classes=7", "blue, green, red", "3", "leave it out")),
        ({"in_channels": 7}, ("in_channels=7", "last feature map", "256", "leave it out")),
    ],
)
def test_a_contradiction_is_told_with_what_was_got_expected_and_to_do(
    stated: dict[str, int], parts: tuple[str, ...], cfg: Config
) -> None:
    cfg.model.head.update(stated)
    with pytest.raises(ValueError, match="head has") as raised:
        complete_config(cfg)
    assert all(part in str(raised.value) for part in parts)


def test_a_validation_folder_without_a_class_keeps_the_labels_of_training(
    cfg: Config, tiny_data: Path
) -> None:
    shutil.rmtree(tiny_data / "val" / "blue")
    complete_config(cfg)
    assert cfg.val_dataloader.dataset.classes == COLOURS


def test_other_classes_in_one_of_the_data_sets_are_refused(cfg: Config) -> None:
    cfg.val_dataloader.dataset.classes = ["red", "green", "blue"]
    with pytest.raises(
        ValueError, match=r"val_dataloader.dataset has the classes red, green, blue"
    ):
        complete_config(cfg)


def test_classes_of_a_checkpoint_come_first(cfg: Config) -> None:
    complete_config(cfg, classes=("red", "green", "blue", "pink"))
    assert cfg.test_dataloader.dataset.classes == ["red", "green", "blue", "pink"]
    assert cfg.model.head.num_classes == 4


def test_labels_without_names_are_counted(cfg: Config, list_file: Path) -> None:
    complete_config(as_list(cfg, list_file))
    assert cfg.model.head.num_classes == 3
    assert cfg.val_dataloader.dataset.classes == ["0", "1", "2"]


def test_labels_without_names_may_be_fewer_than_the_head_states(
    cfg: Config, list_file: Path
) -> None:
    cfg.model.head.num_classes = 10
    complete_config(as_list(cfg, list_file))
    assert cfg.train_dataloader.dataset.classes == [str(label) for label in range(10)]


def test_a_wrapped_data_set_is_completed_inside(cfg: Config) -> None:
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = {"type": "RepeatDataset", "times": 2, "dataset": inner}
    complete_config(cfg)
    assert cfg.train_dataloader.dataset.dataset.classes == COLOURS
    assert cfg.train_dataloader.dataset.dataset.seed == 5
    assert cfg.model.head.num_classes == 3


@pytest.mark.parametrize("arch", ["tresnet_m", "tresnet_v2_l"])
def test_the_spec_of_a_backbone_needs_no_network(arch: str) -> None:
    spec = feature_spec({"type": "TResNet", "arch": arch, "out_indices": (1, 2, 3)})
    assert spec is not None
    assert len(spec.channels) == 3 and spec.strides == (8, 16, 32)


def with_unlabelled(cfg: Config, root: Path) -> Config:
    rest = {"type": "UnlabelledFolder", "data_root": str(root)}
    known = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = {
        "type": "ConcatImages",
        "datasets": {"rest": rest, "known": known},
    }
    return cfg


def test_unlabelled_images_get_the_classes_of_the_labelled_ones(
    cfg: Config, tiny_data: Path
) -> None:
    cfg.model.head.loss.class_weight = "sqrt"
    cfg.train_dataloader.sampler = {"type": "TaskSampler", "images": {"rest": 3, "known": 1}}
    complete_config(with_unlabelled(cfg, tiny_data))
    datasets = cfg.train_dataloader.dataset.datasets
    assert datasets.rest.classes == datasets.known.classes == COLOURS
    assert datasets.rest.seed == 5
    assert cfg.train_dataloader.sampler.batch_size == 4
    assert cfg.model.head.loss.class_weight == pytest.approx([1, 1, 1])


def test_unlabelled_images_alone_take_the_classes_of_the_validation(
    cfg: Config, tiny_data: Path
) -> None:
    cfg.train_dataloader.dataset = {"type": "UnlabelledFolder", "data_root": str(tiny_data)}
    complete_config(cfg)
    assert cfg.train_dataloader.dataset.classes == COLOURS


def test_no_labels_at_all_are_told(cfg: Config, tiny_data: Path) -> None:
    cfg.train_dataloader.dataset = {"type": "UnlabelledFolder", "data_root": str(tiny_data)}
    cfg.val_dataloader = cfg.test_dataloader = None
    with pytest.raises(ValueError, match=r"no labelled images.*classes=\[\.\.\.\]"):
        complete_config(cfg)
