"""The images that a run gives to its model, as they are shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tresnet_tasks.commands import browse
from tresnet_tasks.datasets import transforms
from tresnet_tasks.preprocessing import Preprocessor
from tresnet_tasks.training.launch import load_config
from tresnet_tasks.training.model_inputs import ModelInput, ModelInputs, labelled_parts

Config = Callable[..., Path]
STEPS = re.findall(r"^    (dict\(.*\))$", str(transforms.__doc__), re.MULTILINE)
MIXES = re.findall(r"^    (model = .*)$", str(transforms.__doc__), re.MULTILINE)
JOINT = """
_base_ = "{configs}/quickstart/multitask_digit_scenes.py"
_scenes = dict(data_root="{root}", num_train=12, num_val=6)
_few = dict(_scenes, num_train=6)
train_dataloader = dict(
    batch_size=4, dataset=dict(readers=dict(cls=_scenes, tags=_few, boxes=_scenes))
)
val_dataloader = dict(dataset=dict(readers=dict(cls=_scenes, tags=_scenes, boxes=_scenes)))
test_dataloader = val_dataloader
"""
SEVERAL = """
train_dataloader = dict(
    batch_size=5,
    sampler=dict(_delete_=True, type="TaskSampler", images=dict(cls=2, digits=3)),
    dataset=dict(
        _delete_=True,
        type="MultiTaskDataset",
        datasets=dict(
            cls=dict(
                type="ImageFolder",
                data_root="{colours}",
                pipeline=[dict(type="LoadImage"), dict(type="PackClsInputs")],
            ),
            digits=dict(
                type="JointDataset",
                readers=dict(
                    tags=dict(type="DigitScenes", task="tags", **_scenes),
                    boxes=dict(type="DigitScenes", task="det", **_scenes),
                ),
                pipeline=[
                    dict(type="LoadImage"),
                    dict(type="LoadAnnotations", with_bbox=True),
                    dict(type="PackTasks"),
                ],
            ),
        ),
    ),
)
val_dataloader = dict(batch_size=4, dataset=train_dataloader["dataset"])
test_dataloader = val_dataloader
"""


def given(config: Path, split: str = "train", number: int = 4, **draw: Any) -> list[Any]:
    return list(ModelInputs(load_config(str(config)), split).draw(number, **draw))


def pixels(rows: list[list[ModelInput]]) -> list[bytes]:
    return [one.image.tobytes() for row in rows for one in row]


@pytest.fixture
def joint(tmp_path: Path, repository: Path) -> Path:
    path = tmp_path / "joint.py"
    path.write_text(JOINT.format(configs=repository / "configs", root=tmp_path / "scenes"))
    return path


def test_they_are_what_training_gives_to_the_model(
    tiny_config: Config, command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whole batches of two epochs, with Cutout, MixUp and CutMix."""
    steps = '[dict(type="LoadImage"), dict(type="Cutout"), dict(type="PackClsInputs")]'
    mixes = '[dict(type="MixUp", alpha=1.0), dict(type="CutMix", alpha=1.0)]'
    config = tiny_config(
        f"train_dataloader['dataset']['pipeline'] = {steps}\n"
        f"model['data_preprocessor'] = dict(mixes={mixes})\nrandomness = dict(seed=5)"
    )
    seen: list[tuple[bytes, list[float]]] = []
    forward = Preprocessor.forward

    def record(self: Preprocessor, data: Any, training: bool = False) -> dict[str, Any]:
        out = forward(self, data, training)
        if training:
            images = (out["inputs"] * 255).round().byte().permute(0, 2, 3, 1)
            for image, sample in zip(images, out["data_samples"], strict=True):
                seen.append((image.numpy().tobytes(), sample.gt_score.tolist()))
        return out

    with monkeypatch.context() as patch:
        patch.setattr(Preprocessor, "forward", record)
        command("train", config, "--work-dir", tmp_path / "run")
    assert len(seen) == 24
    for epoch, batches in ((0, seen[:12]), (1, seen[12:])):
        shown = given(config, number=12, epoch=epoch)
        assert [(one.image.tobytes(), one.sample.gt_score.tolist()) for (one,) in shown] == batches


def test_the_two_lists_of_augmentations_are_the_same() -> None:
    assert len(STEPS) == 6 and len(MIXES) == 2
    assert all(f"  {line}\n" in browse.EXAMPLES for line in [*STEPS, *MIXES])


@pytest.mark.parametrize("line", [*STEPS, *MIXES])
def test_each_augmentation_is_one_line_and_follows_from_seed_epoch_and_index(
    line: str, tiny_config: Config
) -> None:
    step = f"_pipeline.insert(1, {line})"
    text = step if line in STEPS else line.replace("model = ", "model.update(") + ")"
    first = pixels(given(tiny_config(text), number=12))
    assert first == pixels(given(tiny_config(text), number=12))
    assert first != pixels(given(tiny_config(), number=12))
    later = [row[1:] for row in given(tiny_config(text), number=12, repeats=2)]
    assert len(set(pixels(later)) - set(first)) > 3
    other = tiny_config(f"{text}\nrandomness = dict(seed=1)")
    assert len(set(pixels(given(other, number=12))) - set(first)) > 3


def test_of_a_step_images_are_taken_evenly(tiny_config: Config) -> None:
    all_four = pixels(given(tiny_config(), number=4))
    assert pixels(given(tiny_config(), number=2)) == all_four[::2]


def test_no_more_images_than_an_epoch_has(tiny_config: Config) -> None:
    rows = given(tiny_config(), number=100)
    assert len({one.sample.img_path for (one,) in rows}) == len(rows) == 12


def test_validation_images_come_from_everywhere_and_are_those_of_the_files(
    tiny_config: Config,
) -> None:
    rows = given(tiny_config(), "val", number=6)
    assert len({one.sample.img_path for (one,) in rows}) == 6
    for (one,) in rows:
        np.testing.assert_array_equal(one.image, np.asarray(Image.open(one.sample.img_path)))


def test_padding_of_detectors_is_seen(tmp_path: Path, repository: Path) -> None:
    config = tmp_path / "det.py"
    data = f"dataset=dict(data_root={str(tmp_path / 'scenes')!r}, num_train=4, num_val=4)"
    config.write_text(
        f'_base_ = "{repository}/configs/quickstart/det_digit_scenes.py"\n'
        "model = dict(data_preprocessor=dict(pad_size_divisor=48))\n"
        f"train_dataloader = dict(batch_size=2, {data})\nval_dataloader = dict({data})\n"
    )
    for split in ("train", "val"):
        for (one,) in given(config, split, number=4):
            assert one.image.shape == (96, 96, 3)
            assert not one.image[64:].any() and not one.image[:, 64:].any()
            file = np.asarray(Image.open(one.sample.img_path))
            np.testing.assert_array_equal(one.image[:64, :64], file)
            assert len(one.sample.gt_instances.bboxes) > 0


def test_joint_samples_have_labels_of_each_head(joint: Path) -> None:
    rows = given(joint, number=12, repeats=2)
    labelled = [one.sample.labelled("tags") for row in rows for one in row]
    assert labelled.count(True) == 12 and len(labelled) == 24
    assert all(one.sample.labelled("cls") for row in rows for one in row)
    assert all(a.sample.sample_idx == b.sample.sample_idx for a, b in rows)


def test_the_images_of_several_data_sets_keep_their_order(
    joint: Path, tiny_data: Path, tmp_path: Path
) -> None:
    """Their sizes differ, so that the preprocessor makes groups of them."""
    config = tmp_path / "several.py"
    config.write_text(f"{joint.read_text()}{SEVERAL.format(colours=tiny_data)}")
    sources = ["cls"] * 2 + ["digits"] * 3
    assert [one.sample.source for (one,) in given(config, number=5)] == sources
    shown = [one.sample.source for (one,) in given(config, "val", number=6)]
    assert shown == ["cls"] * 3 + ["digits"] * 3  # as many of each


def test_too_few_images_for_a_batch_are_told(tiny_config: Config) -> None:
    config = tiny_config(old="batch_size=4", new="batch_size=40")
    with pytest.raises(ValueError, match=r"12 images make no batch of 40.*drop_last"):
        given(config)


def test_the_readers_of_wrapped_data_sets_are_found(joint: Path, tiny_config: Config) -> None:
    wrapped = tiny_config(
        "train_dataloader['dataset'] = dict(type='RepeatDataset', times=2, "
        "dataset=train_dataloader['dataset'])"
    )
    (found,) = labelled_parts(ModelInputs(load_config(str(wrapped))).dataset)
    assert found[0] == "" and found[1].metainfo["classes"] == ("blue", "green", "red")
    heads = dict(labelled_parts(ModelInputs(load_config(str(joint))).dataset))
    assert list(heads) == ["cls", "tags", "boxes"]
    assert sum(heads["boxes"].box_counts()) > 0
