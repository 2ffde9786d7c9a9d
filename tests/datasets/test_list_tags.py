from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tresnet_tasks.datasets import ListTags


@pytest.fixture
def root(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    for name in ("a.png", "b c.png"):
        write_image(tmp_path / name)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "dog.txt").write_text("b c.png\na.png -1\n")
    (tmp_path / "lists" / "cat.txt").write_text("a.png 1\nb c.png 0\n\n")
    return tmp_path


def test_lists_are_brought_together(root: Path) -> None:
    dataset = ListTags("lists", root)
    assert dataset.classes == ("cat", "dog")
    found = {
        Path(info["img_path"]).name: info["gt_score"].tolist()
        for info in map(dataset.get_data_info, range(len(dataset)))
    }
    assert found == {"a.png": [1, -1], "b c.png": [0, 1]}


def test_a_label_that_is_none_is_named(root: Path) -> None:
    (root / "lists" / "dog.txt").write_text("a.png 3\n")
    with pytest.raises(ValueError, match=r"dog\.txt, line 1: got the label 3; expected 1"):
        ListTags("lists", root)


def test_a_folder_without_lists_and_none_are_told(root: Path) -> None:
    (root / "empty").mkdir()
    with pytest.raises(ValueError, match="expected one file for each class"):
        ListTags("empty", root)
    with pytest.raises(FileNotFoundError, match="expected one file for each class"):
        ListTags("nowhere", root)
