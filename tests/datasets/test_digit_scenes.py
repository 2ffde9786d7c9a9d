from __future__ import annotations

import inspect
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from sklearn.datasets import load_digits

from tresnet_tasks.datasets import digit_scenes_files
from tresnet_tasks.datasets.digit_scenes import DigitScenes
from tresnet_tasks.datasets.digit_scenes_files import prepare_scenes
from tresnet_tasks.datasets.digit_scenes_render import (
    BLANK_SPREAD,
    Scene,
    colour_spread,
    digit_pool,
    draw_background,
    render_scene,
)
from tresnet_tasks.registry import DATASETS

TRAIN, VAL = 60, 30


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_scenes(
        tmp_path_factory.mktemp("data") / "digit_scenes", num_train=TRAIN, num_val=VAL
    )


@pytest.fixture(scope="module", params=[32, 64, 160])
def scenes(request: pytest.FixtureRequest) -> list[Scene]:
    return [render_scene("train", index, image_size=request.param) for index in range(200)]


def pixels(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted(folder.rglob("*.png"))]


# ------------------------------------------------------------------ what a scene is


def test_largest_digit_is_at_least_twice_as_high_as_each_other(scenes: list[Scene]) -> None:
    for scene in scenes:
        first, *others = [digit.bbox[3] for digit in scene.digits]
        assert all(first >= 2 * height for height in others)


def test_scenes_have_one_to_three_digits_each_number_often(scenes: list[Scene]) -> None:
    counts = np.bincount([len(scene.digits) for scene in scenes], minlength=4)
    assert counts[0] == 0 and len(counts) == 4
    assert (counts[1:] > 0.2 * len(scenes)).all()


def test_boxes_lie_inside_and_do_not_overlap(scenes: list[Scene]) -> None:
    for scene in scenes:
        size = len(scene.image)
        cover = np.zeros((size, size), dtype=int)
        for x, y, width, height in (digit.bbox for digit in scene.digits):
            assert x >= 0 and y >= 0 and width > 0 and height > 0
            assert x + width <= size and y + height <= size
            cover[y : y + height, x : x + width] += 1
        assert cover.max() == 1


def test_sizes_keep_their_range_and_use_all_of_it() -> None:
    scenes = [render_scene("train", index) for index in range(400)]
    largest = [scene.digits[0].bbox[3] for scene in scenes]
    others = [digit.bbox[3] for scene in scenes for digit in scene.digits[1:]]
    assert (min(largest), max(largest)) == (25, 47)
    assert min(others) == 12
    assert 20 <= max(others) <= 23


def test_labels_are_those_of_scikit_learn(scenes: list[Scene]) -> None:
    target = load_digits().target
    digits = [digit for scene in scenes for digit in scene.digits]
    assert [digit.label for digit in digits] == [target[digit.source] for digit in digits]


def test_no_background_is_blank() -> None:
    rng = np.random.default_rng(0)
    assert min(colour_spread(draw_background(rng, 64)) for _ in range(300)) >= BLANK_SPREAD


def test_a_digit_differs_from_what_it_lies_on() -> None:
    rng = np.random.default_rng([0, 0, 7])  # the generator of scene 7
    background, scene = draw_background(rng, 64), render_scene("train", 7)
    x, y, width, height = scene.digits[0].bbox
    change = np.abs(scene.image - background)[y : y + height, x : x + width].sum(axis=2)
    assert change.max() > 100


def test_no_digit_instance_is_in_two_splits() -> None:
    train, val = set(digit_pool("train").tolist()), set(digit_pool("val").tolist())
    assert not train & val
    assert len(train | val) == 1797


def test_seed_split_and_index_each_give_another_scene() -> None:
    first = render_scene("train", 0).image
    others = [render_scene("train", 1), render_scene("val", 0), render_scene("train", 0, seed=1)]
    assert not any(np.array_equal(first, other.image) for other in others)


# ------------------------------------------------------------------ the files


def test_pycocotools_reads_the_annotations(root: Path) -> None:
    coco = COCO(root / "annotations" / "val.json")
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list("0123456789")
    for image in coco.loadImgs(coco.getImgIds()):
        with Image.open(root / "val" / image["file_name"]) as file:
            assert file.size == (image["width"], image["height"])
        boxes = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        tallest = max(boxes, key=lambda box: box["bbox"][3])
        assert coco.cats[tallest["category_id"]]["name"] == image["class"]
    assert len(coco.imgs) == VAL
    assert 0 not in coco.imgs and 0 not in coco.anns and 0 not in coco.cats


def test_stored_splits_share_no_digit_and_draw_from_their_pool(root: Path) -> None:
    for split in ("train", "val"):
        content = json.loads((root / "annotations" / f"{split}.json").read_text())
        assert {box["digit"] for box in content["annotations"]} <= set(digit_pool(split).tolist())


def test_files_hold_the_scenes(root: Path) -> None:
    with Image.open(root / "train" / "000005.png") as file:
        assert np.array_equal(np.asarray(file), render_scene("train", 5).image)


def test_number_of_processes_does_not_matter(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digit_scenes_files, "_IN_PROCESS", 0)
    other = prepare_scenes(tmp_path / "scenes", num_train=TRAIN, num_val=VAL, workers=2)
    assert pixels(other) == pixels(root)
    for name in ("annotations/train.json", "annotations/val.json", "manifest.json"):
        assert (other / name).read_text() == (root / name).read_text()
    assert sorted(file.name for file in other.iterdir()) == sorted(f.name for f in root.iterdir())


def test_fewer_scenes_are_the_first_ones(root: Path, tmp_path: Path) -> None:
    few = prepare_scenes(tmp_path / "few", num_train=3, num_val=2)
    assert pixels(few / "train") == pixels(root / "train")[:3]
    assert pixels(few / "val") == pixels(root / "val")[:2]


def test_existing_scenes_are_used_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digit_scenes_files, "_draw_all", None)
    assert prepare_scenes(root, num_train=10, num_val=VAL) == root


@pytest.mark.parametrize("change", [{"image_size": 32}, {"seed": 1}, {"num_train": TRAIN + 1}])
def test_other_parameters_do_not_use_old_files(root: Path, change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"holds DigitScenes .* Set data_root to another"):
        prepare_scenes(root, **{"num_train": TRAIN, "num_val": VAL, **change})


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="in use, but not for DigitScenes"):
        prepare_scenes(tmp_path, num_train=1, num_val=1)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_damaged_directory_is_named(tmp_path: Path) -> None:
    made = prepare_scenes(tmp_path / "scenes", num_train=1, num_val=1)
    (made / "annotations" / "val.json").unlink()
    with pytest.raises(ValueError, match="lacks the files of split val"):
        prepare_scenes(made, num_train=1, num_val=1)


def test_empty_directory_and_link_are_filled(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert prepare_scenes(tmp_path / "link", num_train=1, num_val=1) == tmp_path / "disk"
    assert (tmp_path / "link" / "manifest.json").exists()


def test_nothing_is_left_of_an_interrupted_drawing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(digit_scenes_files, "_coco", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_scenes(tmp_path / "scenes", num_train=2, num_val=1)
    assert list(tmp_path.iterdir()) == []


def test_several_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(
                lambda _: prepare_scenes(tmp_path / "scenes", num_train=9, num_val=3), range(4)
            )
        )
    assert set(made) == {tmp_path / "scenes"}
    assert [file.name for file in tmp_path.iterdir()] == ["scenes"]
    assert len(pixels(made[0])) == 12


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write DigitScenes to .* Set data_root"):
        prepare_scenes(tmp_path / "file" / "scenes", num_train=1, num_val=1)


@pytest.mark.parametrize(
    "bad", [{"image_size": 31}, {"num_train": 0}, {"num_val": 0}, {"seed": -1}]
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        prepare_scenes(tmp_path / "scenes", **bad)


# ------------------------------------------------------------------ the reader


def test_reader_gives_the_largest_digit_as_class(root: Path) -> None:
    dataset = DATASETS.build(
        {"type": "DigitScenes", "data_root": root, "num_train": TRAIN, "num_val": VAL}
    )
    assert len(dataset) == TRAIN
    info = dataset.get_data_info(4)
    assert info["gt_label"] == render_scene("train", 4).digits[0].label
    assert info["img_path"] == str(root / "train" / "000004.png")


def test_reader_reads_only_as_many_as_asked_for(root: Path) -> None:
    assert len(DigitScenes(root, "val", num_train=1, num_val=7)) == 7


def test_reader_defaults_are_the_full_set() -> None:
    defaults = inspect.signature(DigitScenes).parameters
    assert defaults["num_train"].default == 20000
    assert defaults["num_val"].default == 1000
    assert defaults["image_size"].default == 64


def test_reader_follows_the_order_of_the_classes(root: Path) -> None:
    backwards = list("9876543210")
    dataset = DigitScenes(root, "val", classes=backwards, num_train=TRAIN, num_val=VAL)
    assert dataset.metainfo["classes"] == tuple(backwards)
    assert dataset.get_data_info(0)["gt_label"] == 9 - render_scene("val", 0).digits[0].label


def test_class_names_need_no_disk() -> None:
    names = DigitScenes.class_names(data_root="/does/not/exist", split="train")
    assert names == tuple("0123456789")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"split": "test"}, "'train' or 'val'"),
        ({"task": "boxes"}, "must be 'cls'"),
        ({"classes": ["cat"]}, "exactly the classes"),
    ],
)
def test_reader_refuses_what_it_does_not_have(
    root: Path, bad: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        DigitScenes(root, num_train=1, num_val=1, **bad)
