"""Which files are images, and where they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm")


def is_image_name(name: str) -> bool:
    """Tell by its extension, in any case, whether a visible file is an image."""
    return name.lower().endswith(IMAGE_EXTENSIONS) and not name.startswith(".")


def find_images(folder: Path) -> list[str]:
    """Find the images in a folder and the folders inside it, links followed, hidden names left out.

    Args:
        folder: an existing folder.

    Returns:
        Paths that start with ``folder``, sorted.
    """
    found: list[str] = []
    _collect(os.fspath(folder), found, ancestors=())
    return sorted(found)


def _collect(folder: str, found: list[str], ancestors: tuple[str, ...]) -> None:
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_image_name(entry.name):
                found.append(entry.path)
            elif not entry.name.startswith(".") and entry.is_dir():
                folders.append(entry.path)
    if not folders:
        return
    # A link to one of the folders above would be followed for ever.
    ancestors = (*ancestors, os.path.realpath(folder))
    for inner in folders:
        if os.path.realpath(inner) not in ancestors:
            _collect(inner, found, ancestors)


def missing_files(paths: Iterable[str]) -> Iterator[int]:
    """Yield the positions of the paths that do not exist, asking once a folder instead of once a
    file."""
    listings: dict[str, frozenset[str]] = {}
    for position, path in enumerate(paths):
        folder, name = os.path.split(path)
        if folder not in listings:
            try:
                listings[folder] = frozenset(os.listdir(folder or "."))  # noqa: PTH208 - names alone
            except OSError:
                listings[folder] = frozenset()
        if name not in listings[folder]:
            yield position
