from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config

from tresnet_tasks.training.completion import complete_config
from tresnet_tasks.training.label_completion import class_weights

Write = Callable[..., Path]


@pytest.fixture
def cfg(tiny_config: Write, tiny_data: Path) -> Config:
    """The tiny config on several labels an image: red thrice, blue once, dark never."""
    entries = [
        {"image": "train/red/0.png", "labels": ["red", "blue"]},
        {"image": "train/red/1.png", "labels": ["red"]},
        {"image": "train/red/2.png", "labels": ["red"]},
    ]
    content = {"classes": ["blue", "dark", "red"], "images": entries}
    (tiny_data / "tags.json").write_text(json.dumps(content))
    read = Config.fromfile(tiny_config())
    for loader in (read.train_dataloader, read.val_dataloader, read.test_dataloader):
        loader.dataset = {"type": "JsonTags", "ann_file": "tags.json", "data_root": str(tiny_data)}
    read.model.head.loss = {"type": "AsymmetricLoss"}
    return read


def test_the_head_s_task_comes_from_the_data(cfg: Config) -> None:
    assert complete_config(cfg).model.head.task == "multi_label"


def test_one_label_an_image_stays_a_single_label_task(tiny_config: Write) -> None:
    assert complete_config(Config.fromfile(tiny_config())).model.head.task == "single_label"


def test_one_label_an_image_can_be_trained_as_several(tiny_config: Write) -> None:
    cfg = Config.fromfile(tiny_config())
    cfg.model.head.task = "multi_label"
    assert complete_config(cfg).model.head.task == "multi_label"


def test_a_single_label_head_on_several_labels_is_refused(cfg: Config) -> None:
    cfg.model.head.task = "single_label"
    with pytest.raises(ValueError, match=r"task='single_label' but the data have several labels"):
        complete_config(cfg)


def test_mixing_images_with_several_labels_is_refused(cfg: Config) -> None:
    cfg.model.data_preprocessor = {"type": "Preprocessor", "mixes": [{"type": "MixUp"}]}
    with pytest.raises(ValueError, match="MixUp and CutMix need one each"):
        complete_config(cfg)


@pytest.mark.parametrize(("rule", "power"), [("inverse", 1), ("sqrt", 0.5)])
def test_one_word_gives_each_class_its_weight(rule: str, power: float, cfg: Config) -> None:
    cfg.model.head.loss.class_weight = rule
    got = np.array(complete_config(cfg).model.head.loss.class_weight)
    assert got.mean() == pytest.approx(1)
    assert got[0] / got[2] == pytest.approx(3**power)
    assert got[1] == got[0]  # never there: as if it were there once


def test_losses_inside_a_loss_get_weights_too(cfg: Config) -> None:
    inner: dict[str, Any] = {"type": "AsymmetricLoss", "class_weight": "sqrt"}
    cfg.model.head.loss = {"type": "PartialLabelLoss", "mode": "negative", "loss": inner}
    assert len(complete_config(cfg).model.head.loss.loss.class_weight) == 3


def test_numbers_stay_as_they_are(cfg: Config) -> None:
    cfg.model.head.loss.class_weight = [1, 2, 3]
    assert complete_config(cfg).model.head.loss.class_weight == [1, 2, 3]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="class_weight='balanced'; expected 'inverse' or 'sqrt'"):
        class_weights(np.array([1, 2]), "balanced")


def test_weights_by_name_stand_in_the_order_of_the_classes(cfg: Config) -> None:
    cfg.model.head.loss.class_weight = {"red": 3, "blue": 2}
    assert complete_config(cfg).model.head.loss.class_weight == [2, 1, 3]


def test_a_weight_of_an_unknown_class_is_refused(cfg: Config) -> None:
    cfg.model.head.loss.class_weight = {"rad": 3}
    with pytest.raises(ValueError, match=r"class_weight names .rad.\. Did you mean 'red'"):
        complete_config(cfg)
