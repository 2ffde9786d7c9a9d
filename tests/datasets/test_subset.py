from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tresnet_tasks.datasets import CSVTags, ImageCSV, ImageFolder, ImageList, ImageShards

Make = Callable[..., Any]
SIZES = (20, 10, 7)  # images of each class


@pytest.fixture
def listed(tmp_path: Path) -> Make:
    """``ImageList`` of images that do not exist, ``SIZES`` of each class."""

    def make(*, sizes: tuple[int, ...] = SIZES, **arguments: Any) -> ImageList:
        names = [
            f"{label}/{n}.jpg {label}" for label, size in enumerate(sizes) for n in range(size)
        ]
        (tmp_path / "list.txt").write_text("\n".join(names))
        return ImageList("list.txt", tmp_path, on_error="skip", **arguments)

    return make


def paths(dataset: Any) -> list[str]:
    return [dataset.img_path(index) for index in range(len(dataset))]


def test_folds_part_the_images_and_hold_the_same_share_of_each_class(listed: Make) -> None:
    whole = paths(listed())
    seen: list[str] = []
    for k in range(1, 6):
        fold = listed(subset={"fold": (k, 5)}, test_mode=True)
        rest = listed(subset={"fold": [k, 5]})
        assert sorted(paths(fold) + paths(rest)) == sorted(whole)
        assert all(
            abs(n - size / 5) < 1 for n, size in zip(fold.label_counts()[0], SIZES, strict=True)
        )
        assert fold.label_counts()[0].tolist()[:2] == [4, 2]
        assert all(
            f"/{label}/" in path for path, label in zip(paths(fold), fold.gt_labels, strict=True)
        )
        seen += paths(fold)
    assert sorted(seen) == sorted(whole)


def test_folds_follow_their_seed_alone(listed: Make) -> None:
    def fold(seed: int, run_seed: int) -> list[str]:
        return paths(listed(subset={"fold": (2, 5), "seed": seed}, test_mode=True, seed=run_seed))

    assert fold(0, 1) == fold(0, 2) != fold(1, 1)


def test_a_class_with_fewer_images_than_folds_is_named(listed: Make) -> None:
    with pytest.raises(
        ValueError, match=r"classes with fewer .* the 8 folds: '2' \(7\)\..* most 7"
    ):
        listed(subset={"fold": (1, 8)}, classes=["0", "1", "2"])
    with pytest.raises(ValueError, match=r": 1 \(1\)\. .*: add images, or leave"):
        listed(sizes=(9, 1), subset={"fold": (1, 2)})


def test_so_many_images_of_each_class_are_kept_and_fewer_are_among_more(listed: Make) -> None:
    few, more = (listed(subset={"per_class": n}) for n in (3, 6))
    assert few.label_counts()[0].tolist() == [3, 3, 3]
    assert more.label_counts()[0].tolist() == [6, 6, 6]
    assert set(paths(few)) < set(paths(more))
    assert paths(few) == paths(listed(subset={"per_class": 3}, seed=9))
    assert paths(few) != paths(listed(subset={"per_class": 3, "seed": 1}))


def test_a_class_with_too_few_images_gives_all_and_is_named(listed: Make) -> None:
    with pytest.warns(UserWarning, match=r"fewer than per_class=8 images.*: 2 \(7\)\."):
        found = listed(subset={"per_class": 8})
    assert found.label_counts()[0].tolist() == [8, 8, 7]


def test_few_images_are_taken_from_the_folds_part(listed: Make) -> None:
    rest = set(paths(listed(subset={"fold": (1, 5)})))
    few = listed(subset={"fold": (1, 5), "per_class": 4})
    assert set(paths(few)) < rest and len(few) == 12


def test_folds_of_tags_balance_the_rarest_tag_of_each_image(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    tags = generator.random((200, 3)) < (0.6, 0.3, 0.1)
    rows = [f"{n}.jpg," + ",".join(str(int(t)) for t in row) for n, row in enumerate(tags)]
    (tmp_path / "t.csv").write_text("\n".join(["path,a,b,c", *rows]))
    for k in range(1, 5):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*no label that holds")
            fold = CSVTags(
                "t.csv", tmp_path, on_error="skip", subset={"fold": (k, 4)}, test_mode=True
            )
        shares = fold.label_counts()[0] / tags.sum(0)
        assert len(fold) == 50
        assert abs(shares - 0.25).max() < 0.06 and abs(shares[2] - 0.25) <= 1 / tags.sum(0)[2]


def test_a_tag_rarer_than_the_folds_is_a_warning_and_few_images_hold_each_tag(
    tmp_path: Path,
) -> None:
    rows = [f"{n}.jpg,1,{int(n < 2)}" for n in range(30)] + ["none.jpg,0,0"]
    (tmp_path / "t.csv").write_text("\n".join(["path,a,b", *rows]))
    with pytest.warns(UserWarning, match=r"the 3 folds: 'b' \(2\); some folds cannot"):
        CSVTags("t.csv", tmp_path, on_error="skip", subset={"fold": (1, 3)})
    with pytest.warns(UserWarning, match="no label that holds"):
        few = CSVTags("t.csv", tmp_path, on_error="skip", subset={"per_class": 2})
    assert few.label_counts()[0].min() == 2
    assert "none.jpg" not in {Path(path).name for path in paths(few)}


def test_folders_and_tables_take_a_subset(tiny_data: Path, tmp_path: Path) -> None:
    folder = ImageFolder(tiny_data, subset={"fold": (1, 2)}, test_mode=True)
    assert Counter(folder.gt_labels.tolist()) == {0: 2, 1: 2, 2: 2}
    rows = [f"{n}.jpg,{'ab'[n % 2]}" for n in range(8)]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    table = ImageCSV("t.csv", tmp_path, on_error="skip", subset={"per_class": 1})
    assert table.classes == ("a", "b") and len(table) == 2


@pytest.mark.parametrize(
    ("subset", "said"),
    [
        ({"fold": (0, 5)}, r"fold=\(0, 5\); expected \(k, K\)"),
        ({"fold": (6, 5)}, "expected"),
        ({"fold": (1, 1)}, "K of 2 or more"),
        ({"fold": (1, 2, 3)}, "expected"),
        ({"per_class": 0}, "per_class=0"),
        ({"folds": 5}, "no 'folds'.*'fold'"),
    ],
)
def test_a_subset_out_of_range_is_refused(listed: Make, subset: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        listed(subset=subset)


def test_more_folds_than_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,a\n1.jpg,1\n2.jpg,1\n")
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="2 images are too few for 3"):
        CSVTags("t.csv", tmp_path, on_error="skip", subset={"fold": (1, 3)})


def test_shards_are_read_as_a_whole() -> None:
    with pytest.raises(ValueError, match="ImageShards got a subset"):
        ImageShards("a.tar", subset={"per_class": 1})


def test_a_reader_can_tell_which_image_it_was(listed: Make) -> None:
    names = paths(listed())
    few = listed(subset={"per_class": 2})
    assert [names[few.source_index(index)] for index in range(len(few))] == paths(few)
    assert listed().source_index(3) == 3
