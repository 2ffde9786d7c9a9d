"""COCO's annotation files, as every reader of them needs them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple


class CocoFile(NamedTuple):
    """What an annotation file of COCO's format holds.

    Attributes:
        images: records with ``id`` and ``file_name``, in the order of the file.
        annotations: records with ``image_id`` and ``category_id``; boxes as ``bbox`` (x, y, w, h).
        categories: records with ``id`` and ``name``, by ascending id.
    """

    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the categories, by ascending id: the order of the published labels."""
        return tuple(str(category["name"]) for category in self.categories)


def read_coco(path: str | os.PathLike[str]) -> CocoFile:
    """Read an annotation file in COCO's format.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not JSON, lacks a part, or an annotation is of no image or category.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path.absolute()}; it should hold COCO annotations (images, annotations, "
            "categories). data/README.md shows the layout."
        )
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{path} is not JSON ({error}). Was its download cut short? Fetch it again."
        ) from error
    keys = ("images", "annotations", "categories")
    lacking = [key for key in keys if not isinstance(content, dict) or key not in content]
    if lacking:
        raise ValueError(
            f"{path} has no {', '.join(lacking)}; expected COCO annotations with "
            f"{', '.join(keys)}. The files instances_*.json have all of them."
        )
    try:
        found = CocoFile(
            content["images"],
            content["annotations"],
            sorted(content["categories"], key=lambda category: int(category["id"])),
        )
        images = {image["id"]: image["file_name"] for image in found.images}
        categories = {category["id"]: category["name"] for category in found.categories}
        for annotation in found.annotations:
            for key, known in (("image_id", images), ("category_id", categories)):
                if annotation[key] not in known:
                    raise ValueError(
                        f"{path}: annotation {annotation.get('id')} has {key}={annotation[key]}, "
                        f"which is not among the {len(known)} of the file. Remove or correct it."
                    )
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: a record is not as COCO's are ({type(error).__name__}: {error}); images need "
            "id and file_name, annotations image_id and category_id, categories id and name."
        ) from error
    return found
