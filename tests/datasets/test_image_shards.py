"""Samples in tar files; tarfile writes them, Pillow and the numbers in their labels are the oracle."""

from __future__ import annotations

import io
import itertools
import json
import os
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from tresnet_tasks.datasets import EpochSampler, ImageShards, ShardSampler, samplers
from tresnet_tasks.registry import DATA_SAMPLERS, DATASETS

SIZES = (7, 11, 6)  # samples of the three shards, 24 in all
PIPELINE = [{"type": "LoadImage"}, {"type": "PackClsInputs"}]


def _png(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def _write_tar(path: Path, files: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def _write_shards(folder: Path) -> Path:
    first = 0
    for number, size in enumerate(SIZES):
        files = []
        for value in range(first, first + size):
            files += [
                (f"part/{value:03}.png", _png(value)),
                (f"part/{value:03}.cls", b"%d" % value),
            ]
            files.append((f"part/{value:03}.json", json.dumps({"label": 23 - value}).encode()))
        _write_tar(folder / f"train-{number:04}.tar", files)
        first += size
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write_shards(tmp_path_factory.mktemp("shards"))


def dataset(folder: Path, **kwargs: Any) -> ImageShards:
    return ImageShards("train-{0000..0002}.tar", folder, pipeline=PIPELINE, **kwargs)


def test_images_and_labels_are_those_in_the_files(shards: Path) -> None:
    found = dataset(shards)
    assert found.shard_sizes == list(SIZES)
    assert found.gt_labels.tolist() == list(range(24))
    for value in (0, 6, 7, 17, 18, 23):
        sample = found[value]
        assert (sample["inputs"] == value).all()
        assert sample["data_samples"].gt_label.tolist() == [value]
        assert sample["data_samples"].img_path.endswith(f"part/{value:03}.png")


def test_a_label_may_be_a_field_of_a_json_object(shards: Path) -> None:
    assert dataset(shards, label_key="json:label").gt_labels.tolist() == list(range(23, -1, -1))


def test_names_are_ranges_patterns_or_lists(shards: Path) -> None:
    for names in ("train-*.tar", ["train-0000.tar", "train-{0001..0002}.tar"]):
        assert len(ImageShards(names, shards)) == 24


def test_the_index_is_stored_and_used_until_the_shard_changes(tmp_path: Path) -> None:
    folder = _write_shards(tmp_path)
    dataset(folder)
    index = folder / "train-0000.tar.index.npz"
    written = index.stat().st_mtime_ns
    assert dataset(folder).gt_labels.tolist() == list(range(24))
    assert index.stat().st_mtime_ns == written
    _write_tar(folder / "train-0000.tar", [("a.png", _png(1)), ("a.cls", b"5")])
    assert dataset(folder).gt_labels.tolist() == [5, *range(7, 24)]
    assert index.stat().st_mtime_ns != written


def test_a_damaged_index_is_built_anew(tmp_path: Path) -> None:
    folder = _write_shards(tmp_path)
    dataset(folder)
    (folder / "train-0001.tar.index.npz").write_bytes(b"PK\x03\x04 cut")
    assert dataset(folder).gt_labels.tolist() == list(range(24))


def test_a_folder_that_cannot_be_written_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("tresnet_tasks.datasets.shard_index.complete_file", refuse)
    folder = _write_shards(tmp_path)
    assert len(dataset(folder)) == 24
    assert not list(folder.glob("*.npz"))


@pytest.mark.parametrize("left", [0.5, 1 - 1e-3, "at a file's end"])
def test_a_shard_that_is_cut_off_is_named(left: Any, tmp_path: Path) -> None:
    folder = _write_shards(tmp_path)
    shard = folder / "train-0001.tar"
    with tarfile.open(shard) as tar:
        ends = [m.offset_data + 512 * -(-m.size // 512) for m in tar]
    size = ends[14] if isinstance(left, str) else int(shard.stat().st_size * left)
    if left == 1 - 1e-3:
        size = ends[-1] - 100  # in the middle of the last file
    os.truncate(shard, size)
    with pytest.raises(ValueError, match=r"train-0001\.tar is cut off"):
        dataset(folder)


def test_a_shard_that_shrinks_during_the_run_is_named(tmp_path: Path) -> None:
    folder = _write_shards(tmp_path)
    found = dataset(folder)
    os.truncate(folder / "train-0002.tar", 2000)
    with pytest.raises(ValueError, match=r"train-0002\.tar is cut off"):
        found[23]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([("a.png", b"x")], r"sample a\.png lacks a label, \.cls; it has png"),
        ([("a.cls", b"1"), ("b.png", b"x")], r"sample a\.cls lacks an image"),
        (
            [("a.png", b"x"), ("a.cls", b"rose")],
            r"label a\.cls is b'rose'; expected a whole number",
        ),
    ],
)
def test_a_sample_without_image_or_label_is_named(
    files: list[tuple[str, bytes]], expected: str, tmp_path: Path
) -> None:
    _write_tar(tmp_path / "bad.tar", files)
    with pytest.raises(ValueError, match=expected):
        ImageShards("bad.tar", tmp_path)


def test_a_compressed_shard_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz"):
        pass
    with pytest.raises(ValueError, match="is compressed"):
        ImageShards("a.tar.gz", tmp_path)


def test_a_shard_that_does_not_exist(shards: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no shard .*train-0003\.tar"):
        ImageShards("train-{0002..0003}.tar", shards)
    with pytest.raises(FileNotFoundError, match=r"no shard matches .*val-\*\.tar"):
        ImageShards("val-*.tar", shards)


def _drawn(loader: DataLoader[Any], most: int | None = None) -> list[int]:
    """Labels of the first ``most`` batches."""
    found: list[int] = []
    for number, batch in enumerate(loader):
        if number == most:
            break
        found += batch
    return found


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize(
    ("ranks", "workers", "kind"),
    [
        *((r, w, "EpochSampler") for r in (1, 2, 3) for w in (0, 1, 2, 3)),
        *((1, 3, "ShardSampler"), (2, 0, "ShardSampler"), (3, 2, "ShardSampler")),
    ],
)
def test_each_sample_comes_once_an_epoch_before_and_after_a_resume(
    ranks: int, workers: int, kind: str, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"type": "ImageShards", "shards": "train-*.tar", "data_root": str(shards)}
    data = DATASETS.build({**config, "pipeline": [{"type": "LoadImage"}, _value]})
    drawn: Counter[int] = Counter()
    for rank in range(ranks):
        monkeypatch.setattr(samplers, "get_dist_info", lambda rank=rank: (rank, ranks))
        sampler = DATA_SAMPLERS.build({"type": kind, "seed": 3}, default_args={"dataset": data})
        loader = DataLoader(
            data, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=list
        )
        sampler.set_epoch(1)
        drawn.update(_drawn(loader, most=3))
        again = DATA_SAMPLERS.build({"type": kind, "seed": 3}, default_args={"dataset": data})
        loader = DataLoader(data, batch_size=2, sampler=again, num_workers=workers, collate_fn=list)
        again.set_epoch(1, start=6)
        drawn.update(_drawn(loader))
    assert drawn == Counter(range(24))


def _value(results: dict[str, Any]) -> int:
    return int(results["img"][0, 0, 0])


def test_a_shard_sampler_shuffles_within_its_buffer(shards: Path) -> None:
    data = dataset(shards)
    sampler = ShardSampler(data, buffer=4, seed=0)
    order = [int(index) for index in sampler]
    assert sorted(order) == list(range(24))
    # In turn, the samples of a whole shard come at most 4 places too early or too late.
    bounds = np.cumsum([0, *SIZES])
    places = [[order.index(i) for i in range(a, b)] for a, b in itertools.pairwise(bounds)]
    for part, size in zip(places, SIZES, strict=True):
        assert max(part) - min(part) < size + 2 * 4
    sampler.set_epoch(1)
    assert [int(index) for index in sampler] != order


def test_without_shuffling_a_shard_sampler_is_in_order(shards: Path) -> None:
    assert list(ShardSampler(dataset(shards), shuffle=False)) == list(range(24))


def test_a_shard_sampler_needs_shards() -> None:
    with pytest.raises(ValueError, match="has no shards"):
        ShardSampler(range(3))
    assert len(EpochSampler(torch.arange(3))) == 3
