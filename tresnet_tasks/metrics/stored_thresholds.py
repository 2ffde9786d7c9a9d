"""Thresholds as checkpoints and files carry them: plain data, with the classes that they are of."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets.nearest_name import nearest_name
from ..upstream.checkpoints import complete_file


@dataclass(frozen=True)
class StoredThresholds:
    """When a class is predicted.

    Attributes:
        classes: (C,) names.
        values: (C,) a class is predicted if its score is strictly above its value.
        temperature: what logits are divided by before they become scores.
        rule: how the values were found, for people: 'f1', 'precision 0.9'.
    """

    classes: tuple[str, ...]
    values: tuple[float, ...]
    temperature: float = 1.0
    rule: str = "f1"

    def to_data(self) -> dict[str, Any]:
        """As dict, list, str and float."""
        return {
            "classes": list(self.classes),
            "values": list(self.values),
            "temperature": self.temperature,
            "rule": self.rule,
        }

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file."""
        with complete_file(Path(path)) as temporary:
            temporary.write_text(json.dumps(self.to_data(), indent=1) + "\n", encoding="utf-8")


def thresholds_of_head(stored: Any, head: str) -> Any:
    """What a checkpoint's ``meta.thresholds`` has for one head of a joint model; None for nothing.

    Args:
        stored: ``dict(tasks=dict(HEAD=...))``, if whoever wrote it meant well.
        head: its name.
    """
    tasks = stored.get("tasks") if isinstance(stored, Mapping) else None
    return tasks.get(head) if isinstance(tasks, Mapping) else None


def read_thresholds(path: str | os.PathLike[str], classes: Sequence[str]) -> StoredThresholds:
    """Read a file that ``StoredThresholds.write`` wrote.

    Args:
        path: the JSON file.
        classes: of the model.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds something else, or thresholds of other classes.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no threshold file {path.absolute()}. `tresnet-tasks test ... --find-thresholds "
            f"{path.name}` writes one."
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"threshold file {path} is not JSON ({error}).") from error
    return thresholds_from_data(data, classes, f"threshold file {path}")


def thresholds_from_data(data: Any, classes: Sequence[str], where: str) -> StoredThresholds:
    """Check and order what a checkpoint or a file holds.

    Args:
        data: as ``StoredThresholds.to_data`` gives it; whoever wrote it is not trusted.
        classes: of the model; the values are brought into this order.
        where: named in errors.

    Raises:
        ValueError: if it holds something else, or thresholds of other classes.
    """
    fields = data if isinstance(data, Mapping) else {}
    names, values = fields.get("classes"), fields.get("values")
    temperature = fields.get("temperature", 1.0)
    if (
        not isinstance(names, list | tuple)
        or not isinstance(values, list | tuple)
        or len(names) != len(values)
        or not all(_is_number(value) for value in (*values, temperature))
        or temperature <= 0
    ):
        raise ValueError(
            f"{where} holds no thresholds; expected classes and values, one number for each class, "
            "and a temperature above 0. `tresnet-tasks test ... --find-thresholds FILE.json` "
            "writes such a file."
        )
    found = dict(zip(map(str, names), map(float, values), strict=True))
    lacking = [name for name in classes if name not in found]
    if lacking or len(found) != len(classes):
        surplus = [name for name in found if name not in set(classes)]
        told = (
            f"it has none for {lacking[0]!r}. {nearest_name(lacking[0], surplus)}"
            if lacking
            else f"the model does not know {surplus[0]!r}."
        )
        raise ValueError(
            f"{where} has thresholds of other classes: {len(found)}, where the model has "
            f"{len(classes)}; {told} Use thresholds that were found with this model's classes."
        )
    return StoredThresholds(
        tuple(classes),
        tuple(found[name] for name in classes),
        float(temperature),
        str(fields.get("rule", "")),
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
