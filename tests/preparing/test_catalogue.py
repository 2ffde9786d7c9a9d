"""What is said of the real data sets, against torchvision and the readers of the project."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from torchvision.datasets import CIFAR10, CIFAR100, Flowers102, Imagenette, imagenet, voc

from tresnet_tasks.preparing import SOURCES

FLOWERS = {name: md5 for name, md5 in Flowers102._file_dict.values()}
PUBLISHED = {  # url and md5 of each archive, as torchvision states them
    "cifar10": {(CIFAR10.url, CIFAR10.tgz_md5)},
    "cifar100": {(CIFAR100.url, CIFAR100.tgz_md5)},
    "flowers102": {(Flowers102._download_url_prefix + n, md5) for n, md5 in FLOWERS.items()},
    "voc07": {
        (voc.DATASET_YEAR_DICT[key]["url"], voc.DATASET_YEAR_DICT[key]["md5"])
        for key in ("2007", "2007-test")
    },
    "voc12": {(voc.DATASET_YEAR_DICT["2012"]["url"], voc.DATASET_YEAR_DICT["2012"]["md5"])},
    "imagenette": {Imagenette._ARCHIVES["full"]},
    "imagenette320": {Imagenette._ARCHIVES["320px"]},
    "imagenette160": {Imagenette._ARCHIVES["160px"]},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_addresses_and_checksums_are_torchvisions(name: str) -> None:
    assert {(a.url, a.md5) for a in SOURCES[name].archives} == PUBLISHED[name]


def test_imagenets_checksums_are_torchvisions() -> None:
    ours = {(a.name, a.md5) for a in SOURCES["imagenet"].archives}
    assert ours == set(imagenet.ARCHIVE_META.values())


@pytest.mark.parametrize("name", SOURCES)
def test_an_entry_is_complete(name: str) -> None:
    source = SOURCES[name]
    assert all(len(archive.md5) == 32 and archive.size for archive in source.archives)
    assert all(a.url.endswith(f"/{a.name}") or source.by_hand for a in source.archives)
    assert all(split.images for split in source.splits) and all(astuple(source)[:3])


@pytest.mark.parametrize("name", SOURCES)
def test_the_page_of_layouts_has_it(name: str, repository) -> None:
    text = (repository / "data" / "README.md").read_text(encoding="utf-8")
    assert f"`{name}`" in text and f"data/{SOURCES[name].folder}/" in text
