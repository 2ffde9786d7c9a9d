"""COCO's annotation files as detection reads them: every record checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .coco_json import read_coco


class CocoBoxes(NamedTuple):
    """What such a file holds.

    Attributes:
        images: its records, in the order of the file.
        annotations: those of each image, by the image's id.
        names: of the categories by their ids, in ascending order.
    """

    images: Sequence[Mapping[str, Any]]
    annotations: Mapping[Any, Sequence[Mapping[str, Any]]]
    names: Mapping[int, str]


def read_coco_boxes(path: Path) -> CocoBoxes:
    """Read and check a file in COCO's format of instances.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: as ``read_coco``; also for an id or a category's name that occurs twice, an
            image without its size and a box that is not four numbers, naming the record.
    """
    content = read_coco(path)
    for section in content._fields:
        records = getattr(content, section)
        ids = (record["id"] for record in records if "id" in record)
        _refuse_repeats(ids, f"{path}: `{section}` has the id")
    for section, field in (("images", "file_name"), ("categories", "name")):
        for record in getattr(content, section):
            if not isinstance(record.get(field), str):
                raise ValueError(
                    f"{path}: `{section}` has {record!r:.200}; expected its {field!r} too. Add it."
                )
    _refuse_repeats(content.names, f"{path}: `categories` has the name")
    for image in content.images:
        if not all(_is_length(image.get(side)) for side in _SIDES):
            sides = ", ".join(f"{side}={image.get(side)!r}" for side in _SIDES)
            raise ValueError(
                f"{path}: image {image['id']} has {sides}; expected whole numbers of pixels. Add "
                "what is missing."
            )
    annotations: dict[Any, list[Mapping[str, Any]]] = {i["id"]: [] for i in content.images}
    for annotation in content.annotations:
        if not _is_box(annotation.get("bbox")):
            raise ValueError(
                f"{path}: annotation {annotation.get('id')} has bbox={annotation.get('bbox')!r}; "
                "expected four numbers in pixels: x and y of the upper left corner, width, height. "
                "Boxes are in the files instances_*.json."
            )
        annotations[annotation["image_id"]].append(annotation)
    names = {category["id"]: str(category["name"]) for category in content.categories}
    return CocoBoxes(content.images, annotations, names)


def read_category_names(path: Path) -> tuple[str, ...]:
    """Read the names of the categories alone, by ascending id.

    They are decoded by themselves where that is possible: a whole file of COCO's size takes
    seconds.

    Raises:
        FileNotFoundError, ValueError: as ``read_coco``.
    """
    data = path.read_bytes() if path.is_file() else b""
    start = data.find(b"[", data.rfind(b'"categories"')) if b'"categories"' in data else -1
    try:
        found, _ = json.JSONDecoder().raw_decode(data[start:].decode()) if start > 0 else ([], 0)
        categories = {int(category["id"]): str(category["name"]) for category in found}
    except (ValueError, TypeError, KeyError):
        categories = {}
    if categories:
        return tuple(categories[key] for key in sorted(categories))
    return read_coco(path).names  # or it says what is wrong


_SIDES = ("height", "width")


def _refuse_repeats(values: Iterable[Any], what: str) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(
            f"{what} {twice[0]!r} more than once ({len(twice)} such). Give every record its own."
        )


def _is_length(side: Any) -> bool:
    return isinstance(side, int | float) and side > 0 and side == int(side)  # 640.0 is one


def _is_box(box: Any) -> bool:
    return (
        isinstance(box, Sequence)
        and len(box) == 4
        and all(isinstance(number, int | float) for number in box)
    )
