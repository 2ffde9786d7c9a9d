"""CIFAR in its published pickles, as Python 2 wrote them; torchvision's readers are the oracle."""

from __future__ import annotations

import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torchvision
from torch.utils.data import DataLoader

from tresnet_tasks.datasets import CIFAR10, CIFAR100
from tresnet_tasks.registry import DATASETS

READERS = (CIFAR10, CIFAR100)
both = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as the ``str`` of Python 2."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_string(self, value: str | bytes) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def write_pickle(path: Path, content: Any) -> None:
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))


def batch(reader: type[CIFAR10], seed: int, number: int = 3) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 10, number).tolist()
    data = generator.integers(0, 256, (number, 3072), np.uint8)
    named = {"filenames": [f"{i}.png" for i in range(number)], "batch_label": "batch"}
    coarse = {"coarse_labels": [0] * number} if reader is CIFAR100 else {}
    return {"data": data, reader.label_key: labels, **named, **coarse}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a data set of three images a file; gives its data root."""

    def written(reader: type[CIFAR10]) -> Path:
        folder = tmp_path / reader.folder
        count = {"num_cases_per_batch": 3, "num_vis": 3072} if reader is CIFAR10 else {}
        names = [f"class {i}" for i in range(10)]
        write_pickle(folder / reader.meta_file, {reader.names_key: names, **count})
        files = [name for split in reader.files.values() for name in split]
        for seed, name in enumerate(files):
            write_pickle(folder / name, batch(reader, seed))
        return tmp_path

    return written


@both
@pytest.mark.parametrize("split", ["train", "test"])
def test_it_reads_what_torchvision_reads(
    reader: type[CIFAR10],
    split: str,
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = write(reader)
    published = getattr(torchvision.datasets, reader.__name__)
    for files in ("train_list", "test_list"):  # without the checksums of the real files
        unchecked = [[name, None] for name, _ in getattr(published, files)]
        monkeypatch.setattr(published, files, unchecked)
    monkeypatch.setattr(published, "meta", {**published.meta, "md5": None})
    expected = published(root, train=split == "train")
    found = reader(root, split, pipeline=[dict(type="LoadImage")])
    assert len(found) == len(expected) == 3 * len(reader.files[split])
    assert found.gt_labels.tolist() == expected.targets
    assert list(found.metainfo["classes"]) == expected.classes
    for index in range(len(found)):
        assert np.array_equal(found[index]["img"], np.asarray(expected[index][0]))


@both
def test_names_are_known_without_the_images(
    reader: type[CIFAR10], write: Callable[..., Path]
) -> None:
    root = write(reader)
    for name in (name for split in reader.files.values() for name in split):
        (root / reader.folder / name).unlink()
    assert reader.class_names(data_root=root)[:2] == ("class 0", "class 1")


def test_an_image_is_named_by_its_file_and_place(write: Callable[..., Path]) -> None:
    dataset = CIFAR10(write(CIFAR10))
    assert dataset.img_path(4) == str(dataset.data_root / "cifar-10-batches-py/data_batch_2/1")


def test_a_transform_cannot_change_the_images(write: Callable[..., Path]) -> None:
    def blacken(results: dict[str, Any]) -> dict[str, Any]:
        before = int(results["img"].sum())
        results["img"][:] = 0
        return {"before": before}

    dataset = CIFAR10(write(CIFAR10), pipeline=[dict(type="LoadImage"), blacken])
    assert dataset[0] == dataset[0] != {"before": 0}


def test_batches_come_out_of_workers(write: Callable[..., Path]) -> None:
    steps = [dict(type="LoadImage"), dict(type="PackClsInputs")]
    config = dict(type="CIFAR10", data_root=str(write(CIFAR10)), split="test", pipeline=steps)
    loader = DataLoader(DATASETS.build(config), batch_size=2, num_workers=1, collate_fn=list)
    sizes = [tuple(sample["inputs"].shape) for samples in loader for sample in samples]
    assert sizes == [(3, 32, 32)] * 3


def test_classes_in_another_order_move_the_labels(write: Callable[..., Path]) -> None:
    root = write(CIFAR10)
    names = CIFAR10.class_names(data_root=root)
    turned = CIFAR10(root, classes=names[::-1])
    assert turned.gt_labels.tolist() == [9 - label for label in CIFAR10(root).gt_labels]
    with pytest.raises(ValueError, match=r"11 names, and CIFAR10 has 10 classes\. 'clas 0' is"):
        CIFAR10(root, classes=[*names, "clas 0"])


class Harmful:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("file", ["batches.meta", "data_batch_3"])
def test_a_pickle_that_calls_something_is_refused(
    file: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    root, marker = write(CIFAR10), tmp_path / "was here"
    content = {**batch(CIFAR10, 0), "label_names": ["a"], "more": Harmful(marker)}
    write_pickle(root / CIFAR10.folder / file, content)
    with pytest.raises(ValueError, match=rf"{file} is refused: .*mkdir.*prepare.py cifar10"):
        CIFAR10(root)
    assert not marker.exists()


@both
def test_missing_files_show_what_belongs_where(reader: type[CIFAR10], tmp_path: Path) -> None:
    told = rf"{reader.meta_file}\. {reader.__name__} reads .*{reader.folder}/.*prepare\.py cifar10"
    with pytest.raises(FileNotFoundError, match=rf"(?s)no .*{told}"):
        reader(tmp_path)


def test_a_missing_batch_is_named(write: Callable[..., Path]) -> None:
    root = write(CIFAR10)
    (root / CIFAR10.folder / "data_batch_5").unlink()
    with pytest.raises(FileNotFoundError, match=r"no .*data_batch_5"):
        CIFAR10(root)


def test_a_batch_that_is_cut_off_is_named(write: Callable[..., Path]) -> None:
    root = write(CIFAR10)
    os.truncate(root / CIFAR10.folder / "data_batch_2", 5000)
    with pytest.raises(ValueError, match=r"cannot read .*data_batch_2: .*prepare\.py cifar10"):
        CIFAR10(root)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"data": np.zeros((3, 3072))}, r"\(3, 3072\) float64 as data"),
        ({"data": np.zeros((3, 1024), np.uint8)}, r"\(3, 1024\) uint8 as data"),
        ({"data": [1, 2, 3]}, "a list of 3 as data"),
        ({"labels": [0, 1]}, "a list of 2 as labels; expected .* N whole numbers"),
        ({"labels": ["a", "b", "c"]}, "expected .* N whole numbers"),
        ({"labels": [0, 1, 10]}, r"data_batch_1/2 has the label 10, .* has 10 classes"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}, "2 images; .*meta says 3"),
    ],
)
def test_a_batch_of_other_contents_is_refused(
    changes: dict[str, Any], told: str, write: Callable[..., Path]
) -> None:
    root = write(CIFAR10)
    write_pickle(root / CIFAR10.folder / "data_batch_1", {**batch(CIFAR10, 0), **changes})
    with pytest.raises(ValueError, match=told):
        CIFAR10(root)


def test_files_of_the_other_data_set_are_told_apart(write: Callable[..., Path]) -> None:
    root = write(CIFAR10)
    write_pickle(root / CIFAR10.folder / "test_batch", batch(CIFAR100, 0))
    with pytest.raises(ValueError, match="has no 'labels', only 'data', 'fine_labels'"):
        CIFAR10(root, "test")


def test_an_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="split is 'val'; CIFAR10 has 'train', 'test'"):
        CIFAR10(tmp_path, "val")
