"""A plain JSON file of images and their labels."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .annotation_text import read_lines
from .nearest_name import nearest_name
from .tags import TagDataset, Tags

_FORM = '[{"image": "a.jpg", "labels": ["cat", "dog"], "unknown": ["bird"]}, ...]'
_KEYS = {"image", "labels", "negatives", "unknown"}


@DATASETS.register_module()
class JsonTags(TagDataset):
    """Images named in a JSON file: ``[{"image": "a.jpg", "labels": ["cat"]}, ...]``.

    Also ``{"images": [...], "classes": [...]}``. An entry may have ``negatives`` and ``unknown``,
    lists of names, and its ``labels`` may be a dict of names to 1, 0 and -1.

    Args:
        ann_file: the JSON file; relative to ``data_root``.
        data_root: folder of the data set.
        data_prefix: what the paths in the file are relative to; itself relative to ``data_root``.
        kwargs: see ``TagDataset``. The classes are those of the file, else all sorted names.

    Raises:
        FileNotFoundError: if the file or an image does not exist.
        ValueError: if the file is of another form, with the entry.
    """

    def __init__(
        self,
        ann_file: str | os.PathLike[str],
        data_root: str | os.PathLike[str] = "",
        data_prefix: str = "",
        **kwargs: Any,
    ) -> None:
        self.image_root = Path(data_root, data_prefix)
        arguments = {"ann_file": ann_file, "data_root": data_root}
        super().__init__(Path(data_root, ann_file), arguments, **kwargs)

    @classmethod
    def source_classes(cls, **kwargs: Any) -> tuple[str, ...]:
        """The file's ``classes``, or all sorted names."""
        path = Path(kwargs.get("data_root", ""), kwargs["ann_file"])
        classes, entries = _read(path)
        if classes is not None:
            return tuple(map(str, classes))
        names = {name for i, entry in enumerate(entries) for name in _labels(path, i, entry)}
        return tuple(sorted(names))

    def read_tags(self) -> Iterator[Tags]:
        """Read the entries."""
        for index, entry in enumerate(_read(self.source)[1]):
            labels = _labels(self.source, index, entry)
            path = str(self.image_root / entry["image"])
            yield Tags(path, labels, f"{self.source}, entry {index}")


def _read(path: Path) -> tuple[list[Any] | None, list[Any]]:
    text = "\n".join(read_lines(path, f"a list such as {_FORM}"))
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); expected {_FORM}.") from error
    classes = None
    if isinstance(content, dict):
        classes, content = content.get("classes"), content.get("images")
    if not isinstance(content, list) or not (classes is None or isinstance(classes, list)):
        raise ValueError(
            f"{path} holds no list of images; expected {_FORM}, or "
            '{"images": [...], "classes": [...]}.'
        )
    return classes, content


def _labels(path: Path, index: int, entry: Any) -> dict[str, int]:
    if isinstance(entry, dict) and isinstance(entry.get("image"), str):
        _check_keys(path, index, entry)
        stated = entry.get("labels", [])
        lists = {0: entry.get("negatives", []), -1: entry.get("unknown", [])}
        if isinstance(stated, list):
            lists[1] = stated
        if isinstance(stated, list | dict) and all(isinstance(v, list) for v in lists.values()):
            named = [(str(name), value) for value, names in lists.items() for name in names]
            named += stated.items() if isinstance(stated, dict) else []
            labels = dict(named)
            for name, value in named:
                if labels[name] != value:
                    raise ValueError(
                        f"{path}, entry {index}: {name!r} is said to be {value} and {labels[name]} "
                        "(1 holds, 0 does not, -1 unknown). Keep one of the two."
                    )
            return labels
    raise ValueError(f"{path}, entry {index}: got {str(entry)[:80]}; expected one of {_FORM}.")


def _check_keys(path: Path, index: int, entry: dict[str, Any]) -> None:
    """Refuse a key that was meant to hold labels; others, such as a width, are nobody's concern."""
    for key in entry.keys() - _KEYS:
        if isinstance(entry[key], list | dict) or get_close_matches(key, _KEYS, cutoff=0.7):
            raise ValueError(
                f"{path}, entry {index}: unknown key {key!r}. {nearest_name(key, sorted(_KEYS))} "
                f"Expected {_FORM}."
            )
