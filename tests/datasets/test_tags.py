"""What all readers of several labels an image share, on the plainest of them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tresnet_tasks.datasets import JsonTags, PackClsInputs, collate
from tresnet_tasks.datasets.tags import TagDataset

ENTRIES = [
    {"image": "a.png", "labels": ["cat", "dog"]},
    {"image": "b.png", "labels": ["dog"], "unknown": ["cat"]},
]


@pytest.fixture
def write(tmp_path: Path, write_image: Callable[..., Path]) -> Callable[..., Path]:
    """Write entries and their images; gives the data root."""

    def write_all(entries: Any = ENTRIES) -> Path:
        for entry in entries if isinstance(entries, list) else entries["images"]:
            write_image(tmp_path / entry["image"])
        (tmp_path / "tags.json").write_text(json.dumps(entries))
        return tmp_path

    return write_all


def read(root: Path, **kwargs: Any) -> JsonTags:
    return JsonTags("tags.json", root, **kwargs)


def matrix(dataset: TagDataset) -> list[list[float]]:
    return [dataset.get_data_info(i)["gt_score"].tolist() for i in range(len(dataset))]


def test_labels_become_1_0_and_unknown(write: Callable[..., Path]) -> None:
    dataset = read(write())
    assert dataset.metainfo == {"classes": ("cat", "dog"), "task": "multi_label"}
    assert matrix(dataset) == [[1, 1], [-1, 1]]
    assert dataset.get_cat_ids(0) == [0, 1]


def test_what_is_not_named_can_be_unknown(write: Callable[..., Path]) -> None:
    entries = [*ENTRIES, {"image": "c.png", "labels": {"cat": 0}}]
    assert matrix(read(write(entries), unlisted=-1))[2] == [0, -1]


def test_given_classes_fix_the_order(write: Callable[..., Path]) -> None:
    assert matrix(read(write(), classes=["dog", "bird", "cat"]))[0] == [1, 0, 1]


def test_a_batch_carries_the_labels_to_the_loss(write: Callable[..., Path]) -> None:
    root = write()
    dataset = read(root, pipeline=[{"type": "LoadImage"}, PackClsInputs()])
    batch = collate([dataset[0], dataset[1]])
    scores = torch.stack([sample.gt_score for sample in batch["data_samples"]])
    assert torch.equal(scores, torch.tensor([[1.0, 1.0], [-1.0, 1.0]]))
    assert scores.dtype == torch.float32


def test_an_unknown_name_is_answered_with_the_nearest(write: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"tags\.json, entry 0: 'cat' is not .* mean 'cats'\?"):
        read(write(), classes=["cats", "dog"])


def test_some_of_the_classes_can_be_trained_on(write: Callable[..., Path]) -> None:
    assert matrix(read(write(), classes=["dog"], skip_other_names=True)) == [[1], [1]]


def test_a_label_that_is_none_is_refused_with_its_place(write: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"entry 0: got the label 2; expected 1"):
        read(write([{"image": "a.png", "labels": {"cat": 2}}]))


def test_a_missing_image_is_named(write: Callable[..., Path]) -> None:
    root = write()
    (root / "b.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"(?s)1 of 2 images .*b\.png"):
        read(root)
    assert len(read(root, on_error="skip")) == 2


def test_images_without_any_label_are_kept_and_counted_once(write: Callable[..., Path]) -> None:
    root = write([*ENTRIES, {"image": "c.png"}, {"image": "d.png", "unknown": ["cat"]}])
    with pytest.warns(UserWarning, match="2 of 4 images have no label") as said:
        dataset = read(root)
    assert len(said) == 1
    assert matrix(dataset)[2:] == [[0, 0], [-1, 0]]


def test_names_and_ids_of_a_classes_file(write: Callable[..., Path]) -> None:
    root = write([{"image": "a.png", "labels": ["/m/2", "cat"]}])
    (root / "classes.csv").write_text("/m/1,cat\n/m/2,dog\n/m/3,dog\n/m/4,seal\n")
    dataset = read(root, classes_file="classes.csv")
    assert dataset.classes == ("cat", "dog (/m/2)", "dog (/m/3)", "seal")
    assert matrix(dataset) == [[1, 1, 0, 0]]
    assert matrix(
        read(root, classes_file="classes.csv", classes=["seal", "dog (/m/2)", "cat"])
    ) == [[0, 1, 1]]


def test_names_are_known_without_the_images(write: Callable[..., Path]) -> None:
    root = write({"classes": ["x", "dog", "cat"], "images": ENTRIES})
    for image in root.glob("*.png"):
        image.unlink()
    assert JsonTags.class_names(ann_file="tags.json", data_root=root) == ("x", "dog", "cat")
    assert JsonTags.label_task() == "multi_label"


def test_a_million_labels_take_4_bytes_each() -> None:
    from tresnet_tasks.datasets.labels import MultiLabels

    labels = MultiLabels(-1)
    for _ in range(1000):
        labels.append({c: c % 2 for c in range(100)})
    assert labels._codes.itemsize * len(labels._codes) == 400_000


@pytest.mark.parametrize(
    "text",
    ["{", '{"classes": ["a"]}', '[{"labels": ["a"]}]', '[{"image": "a.png", "labels": "cat"}]'],
)
def test_another_form_is_refused_with_an_example(text: str, tmp_path: Path) -> None:
    (tmp_path / "tags.json").write_text(text)
    with pytest.raises(ValueError, match=r"tags\.json.*expected .*\"image\": \"a\.jpg\""):
        read(tmp_path)


def test_no_warning_where_every_image_has_a_label(write: Callable[..., Path]) -> None:
    root = write()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(read(root).label_counts()[0], [1, 2])


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"labels": ["cat"], "unknown": ["cat"]}, "'cat' is said to be .* Keep one of the two"),
        ({"labels": {"cat": 1}, "negatives": ["cat"]}, "'cat' is said to be"),
        ({"label": ["cat"]}, "unknown key 'label'. Did you mean 'labels'"),
        ({"tags": ["cat"]}, "unknown key 'tags'"),
    ],
)
def test_labels_that_contradict_or_would_be_passed_over_are_refused(
    entry: dict[str, Any], told: str, write: Callable[..., Path]
) -> None:
    with pytest.raises(ValueError, match=f"entry 0: {told}"):
        read(write([{"image": "a.png", **entry}]))


def test_what_is_no_label_may_stand_beside(write: Callable[..., Path]) -> None:
    assert matrix(read(write([{"image": "a.png", "labels": ["cat"], "width": 30}]))) == [[1]]
