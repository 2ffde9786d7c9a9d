"""Pascal VOC's annotation files, as every reader of them needs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree


class VocObject(NamedTuple):
    """One object of an image.

    Attributes:
        name: of its class.
        box: (x1, y1, x2, y2) as written: pixels from 1, both corners included; None without one.
        difficult: whether it is marked as hard to recognise.
    """

    name: str
    box: tuple[float, float, float, float] | None
    difficult: bool


class VocFile(NamedTuple):
    """The annotation of one image.

    Attributes:
        filename: of the image, as written; empty where it is not.
        size: (height, width); None where it is not written, or is 0, as some tools leave it.
        objects: may be none.
    """

    filename: str
    size: tuple[int, int] | None
    objects: list[VocObject]


def read_voc_file(path: str | os.PathLike[str]) -> VocFile:
    """Read one annotation file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not XML or no annotation, or an object has no name or a box that is not
            four numbers.
    """
    path = Path(path)
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no file {path.absolute()}; it should hold the annotation of one image. "
            "data/README.md shows the layout."
        ) from None
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is not XML ({error}). Correct it or fetch it again.") from error
    if root.tag != "annotation":
        raise ValueError(
            f"{path} begins with <{root.tag}>; expected Pascal VOC's <annotation>. Convert it, or "
            "remove it."
        )
    try:
        height, width = (int(float(root.findtext(f"size/{k}", "0"))) for k in ("height", "width"))
    except ValueError as error:
        raise ValueError(f"{path}: its <size> is not numbers ({error}). Correct it.") from error
    return VocFile(
        filename=(root.findtext("filename") or "").strip(),
        size=(height, width) if height > 0 and width > 0 else None,
        objects=[_object(path, node) for node in root.iter("object")],
    )


def read_voc_objects(path: str | os.PathLike[str]) -> list[VocObject]:
    """Read the objects of one annotation file; errors as ``read_voc_file``'s."""
    return read_voc_file(path).objects


def _object(path: Path, node: ElementTree.Element) -> VocObject:
    name = (node.findtext("name") or "").strip()
    if not name:
        raise ValueError(f"{path}: an object has no name. Add <name>, or remove the object.")
    corners = node.find("bndbox")
    box = None
    if corners is not None:
        try:
            x1, y1, x2, y2 = (
                float(corners.findtext(k, "")) for k in ("xmin", "ymin", "xmax", "ymax")
            )
        except ValueError as error:
            raise ValueError(
                f"{path}: the box of an object {name!r} is not four numbers xmin, ymin, xmax, ymax "
                f"({error}). Correct it."
            ) from error
        box = (x1, y1, x2, y2)
    return VocObject(name, box, (node.findtext("difficult") or "0").strip() == "1")
