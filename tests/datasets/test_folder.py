"""A folder a class: what is found, and what is answered when it is not right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tresnet_tasks.datasets import ImageFolder

Write = Callable[..., Path]


def _names(dataset: ImageFolder) -> list[str]:
    return [Path(dataset.get_data_info(i)["img_path"]).name for i in range(len(dataset))]


def test_classes_are_the_sorted_folder_names(flowers: Path) -> None:
    dataset = ImageFolder(flowers)
    assert dataset.metainfo["classes"] == ("daisy", "rose", "tulip")
    assert [dataset.get_cat_ids(i) for i in (0, 4, 11)] == [[0], [1], [2]]
    assert "rose" in dataset.get_data_info(4)["img_path"]


def test_class_names_are_read_without_the_images(flowers: Path) -> None:
    names = ImageFolder.class_names(data_root=flowers, data_prefix="train", test_mode=True)
    assert names == ("daisy", "rose", "tulip")


def test_given_classes_fix_the_labels(flowers: Path) -> None:
    dataset = ImageFolder(flowers, classes=["tulip", "rose", "daisy"])
    info = dataset.get_data_info(0)
    assert info["gt_label"] == 0
    assert "tulip" in info["img_path"]


def test_nested_folders_and_any_case_of_extension(tmp_path: Path, write_image: Write) -> None:
    write_image(tmp_path / "train" / "a" / "deep" / "er" / "1.JPG")
    write_image(tmp_path / "train" / "a" / "2.Tiff")
    (tmp_path / "train" / "a" / "notes.txt").write_text("not an image")
    assert sorted(_names(ImageFolder(tmp_path))) == ["1.JPG", "2.Tiff"]


def test_hidden_files_are_left_out(flowers: Path, write_image: Write) -> None:
    write_image(flowers / "train" / "daisy" / ".thumb.png")
    write_image(flowers / "train" / ".cache" / "1.png")
    assert len(ImageFolder(flowers)) == 12


def test_links_are_followed(flowers: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("linked")
    (root / "train").symlink_to(flowers / "train", target_is_directory=True)
    assert len(ImageFolder(root)) == 12


def test_a_link_in_a_circle_ends(flowers: Path) -> None:
    rose = flowers / "train" / "rose"
    (rose / "again").symlink_to(rose, target_is_directory=True)
    assert len(ImageFolder(flowers)) == 12


def test_order_does_not_depend_on_the_file_system(tmp_path: Path, write_image: Write) -> None:
    for name in ("c.png", "a.png", "b.png"):
        write_image(tmp_path / "train" / "x" / name)
    assert _names(ImageFolder(tmp_path)) == ["a.png", "b.png", "c.png"]


def test_names_that_are_not_ascii(tmp_path: Path, write_image: Write) -> None:
    write_image(tmp_path / "train" / "Gänseblümchen" / "写真 一.png")
    dataset = ImageFolder(tmp_path, pipeline=[dict(type="LoadImage")])
    assert dataset.metainfo["classes"] == ("Gänseblümchen",)
    assert dataset[0]["img"].shape == (24, 32, 3)


def test_missing_folder_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        ImageFolder(tmp_path / "imagenet", "val")
    message = str(caught.value)
    assert str(tmp_path / "imagenet" / "val") in message
    assert "data/imagenet/train/n01440764" in message
    assert "data/README.md" in message


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no folders in it"):
        ImageFolder(tmp_path, "")


def test_class_without_images_is_named(flowers: Path) -> None:
    (flowers / "train" / "iris").mkdir()
    with pytest.raises(ValueError, match=r"1 of 4 classes .* have no images: iris"):
        ImageFolder(flowers)


def test_class_without_images_may_be_allowed(flowers: Path) -> None:
    (flowers / "train" / "iris").mkdir()
    dataset = ImageFolder(flowers, allow_empty_classes=True)
    assert len(dataset.metainfo["classes"]) == 4
    assert len(dataset) == 12


def test_a_folder_that_is_not_a_class_gets_the_nearest_name(flowers: Path) -> None:
    with pytest.raises(ValueError, match=r"'rose' .* Did you mean 'rosa'"):
        ImageFolder(flowers, classes=["daisy", "rosa", "tulip"])


def test_a_class_that_has_no_folder_gets_the_nearest_name(flowers: Path) -> None:
    with pytest.raises(ValueError, match=r"'tulips' .* Did you mean 'tulip'"):
        ImageFolder(flowers, classes=["daisy", "rose", "tulip", "tulips"])


def test_classes_named_twice(flowers: Path) -> None:
    with pytest.raises(ValueError, match="'rose' more than once"):
        ImageFolder(flowers, classes=["rose", "rose", "tulip"])
