"""Flowers-102 in its published files; torchvision's reader is the oracle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from scipy.io import savemat

from tresnet_tasks.datasets import Flowers102
from tresnet_tasks.registry import DATASETS

LABELS = [1, 102, 57, 3, 3, 8, 1]
SPLITS = {"trnid": [2, 7], "valid": [5], "tstid": [6, 1, 3, 4]}


@pytest.fixture
def root(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    """Seven photos; the folder is called as torchvision calls it."""
    folder = tmp_path / "flowers-102"
    for number in range(1, 8):
        write_image(folder / "jpg" / f"image_{number:05}.jpg", seed=number)
    write_lists(folder)
    return folder


def write_lists(folder: Path, labels: Any = LABELS, **splits: Any) -> None:
    savemat(folder / "imagelabels.mat", {"labels": np.asarray([labels]).astype(np.uint8)})
    lists = {key: np.asarray([ids], np.uint16) for key, ids in {**SPLITS, **splits}.items()}
    savemat(folder / "setid.mat", lists)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_it_reads_what_torchvision_reads(
    split: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = torchvision.datasets.Flowers102
    unchecked = {key: (name, None) for key, (name, _) in published._file_dict.items()}
    monkeypatch.setattr(published, "_file_dict", unchecked)
    found = Flowers102(root, split)
    if split == "val":  # torchvision cannot read a split of one image
        assert [found.get_data_info(0)["img_path"]] == [str(root / "jpg" / "image_00005.jpg")]
        assert found.gt_labels.tolist() == [2]
        return
    expected = published(root.parent, split)
    assert found.gt_labels.tolist() == expected._labels
    paths = [found.img_path(index) for index in range(len(found))]
    assert paths == [str(path) for path in expected._image_files]
    assert list(found.metainfo["classes"]) == published.classes


def test_trainval_is_both(root: Path) -> None:
    parts = [Flowers102(root, split).gt_labels for split in ("train", "val")]
    assert np.array_equal(Flowers102(root, "trainval").gt_labels, np.concatenate(parts))


def test_there_are_102_names_of_which_no_file_is_needed() -> None:
    names = Flowers102.class_names(data_root="nowhere")
    assert (len(names), names[0], names[76]) == (102, "pink primrose", "passion flower")


def test_an_image_can_be_loaded(root: Path) -> None:
    config = dict(type="Flowers102", data_root=str(root), pipeline=[dict(type="LoadImage")])
    assert DATASETS.build(config)[0]["img"].shape == (24, 32, 3)


@pytest.mark.parametrize("name", ["jpg", "imagelabels.mat", "setid.mat"])
def test_missing_files_show_what_belongs_where(name: str, root: Path) -> None:
    (root / name).rename(root / "elsewhere")
    told = r"reads .*image_00001\.jpg.*prepare\.py flowers102"
    with pytest.raises(FileNotFoundError, match=rf"(?s)no .*{name}\. Flowers102 {told}"):
        Flowers102(root)


def test_a_missing_image_is_named_or_left_out(root: Path) -> None:
    (root / "jpg" / "image_00007.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 2 images of .*\n  .*image_00007\.jpg\n"):
        Flowers102(root)
    left = Flowers102(root, on_error="skip", pipeline=[dict(type="LoadImage")])
    assert left[1]["img_path"].endswith("image_00002.jpg")


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        ({"labels": LABELS[:6]}, "6 labels, and the splits .* name 7 images, 7 in all"),
        ({"valid": [2]}, "7 labels, and the splits .* name 6 images, 7 in all"),
        ({"labels": [1, 103, *LABELS[2:]]}, "image_00002.jpg has the label 102, .* has 102"),
        ({"labels": [1, 0, *LABELS[2:]]}, "image_00002.jpg has the label -1"),
    ],
)
def test_lists_that_disagree_are_refused(lists: dict[str, Any], told: str, root: Path) -> None:
    write_lists(root, **lists)
    with pytest.raises(ValueError, match=rf"{told}.*prepare\.py flowers102"):
        Flowers102(root)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"other": [1]}, "setid.mat has no variable 'trnid', only other"),
        ({"trnid": [0.5, 1.5]}, "trnid in .*setid.mat is no list of whole numbers"),
        (b"<!DOCTYPE html>", "cannot read .*setid.mat"),
        (b"", "cannot read .*setid.mat"),
    ],
)
def test_a_damaged_list_is_named(content: Any, told: str, root: Path) -> None:
    if isinstance(content, bytes):
        (root / "setid.mat").write_bytes(content)
    else:
        savemat(root / "setid.mat", content)
    with pytest.raises(ValueError, match=rf"{told}.*prepare\.py flowers102"):
        Flowers102(root)
