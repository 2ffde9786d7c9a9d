"""The command ``prepare`` as a person uses it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace

import pytest

from tresnet_tasks.preparing import SOURCES


@pytest.fixture
def archives(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """A folder with the archive of an Imagenette of two empty images, which is the known one."""
    folder = tmp_path / "archives"
    folder.mkdir()
    path = folder / "imagenette2.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for split in ("train", "val"):
            archive.addfile(tarfile.TarInfo(f"imagenette2/{split}/n01440764/a.JPEG"), io.BytesIO())
    source = SOURCES["imagenette"]
    known = replace(source.archives[0], md5=hashlib.md5(path.read_bytes()).hexdigest())
    splits = tuple(replace(split, images=1) for split in source.splits)
    monkeypatch.setitem(SOURCES, "imagenette", replace(source, archives=(known,), splits=splits))
    return folder


def test_it_prepares_and_says_so(archives, tmp_path, command) -> None:
    line = ("prepare", "Imagenette", "--root", tmp_path / "data", "--archive", archives)
    assert f"imagenette is ready in {tmp_path / 'data' / 'imagenette'}" in command(*line)
    assert (tmp_path / "data" / "imagenette" / "val" / "n01440764" / "a.JPEG").is_file()
    assert "nothing was done" in command(*line)


def test_the_list_has_every_data_set_with_size_and_source(command) -> None:
    told = command("prepare", "--list")
    for source in SOURCES.values():
        assert source.title in told
        assert all((archive.url or archive.name) in told for archive in source.archives)
    assert "154.6 GB into data/imagenet; images: train 1,281,167, val 50,000" in told


@pytest.mark.parametrize("name", ["voc2007", "cars196", "flowers"])
def test_an_unknown_name_is_answered_with_the_nearest(name: str, command) -> None:
    near = {"voc2007": "voc07", "cars196": "cars", "flowers": "flowers102"}[name]
    assert f"Did you mean {near}?" in command("prepare", name, status=1)


def test_without_a_name_the_names_are_told(command) -> None:
    assert "There are: cifar10, " in command("prepare", status=1)


def test_what_has_to_be_fetched_by_hand_is_named(tmp_path, command) -> None:
    told = command("prepare", "cars", "--root", tmp_path, status=1)
    assert "cars_test_annos_withlabels.mat" in told and "--archive DIR" in told


def test_a_root_that_is_a_file_is_told(tmp_path, command) -> None:
    (tmp_path / "data").write_bytes(b"")
    told = command("prepare", "cifar10", "--root", tmp_path / "data", status=1)
    assert told.startswith(f"error: {tmp_path / 'data'} is a file") and told.count("\n") == 1
