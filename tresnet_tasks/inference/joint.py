"""What a model of several tasks says of one image."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..heads import DetectorHead, MultiLabel
from ..metrics import thresholds_of_head
from ..weights.files import WeightsFile
from .detections import Detections, detections_of
from .model_building import apply_thresholds, classifying_head
from .prediction import Prediction
from .tags import SEPARATOR, TagPrediction, prediction_of


@dataclass(frozen=True, eq=False)
class JointPrediction:
    """The answers of all heads, by their names, from one forward pass.

    Attributes:
        path: the file, or None where the image came as an array or a PIL image.
        answers: of a head with one label an image a ``Prediction``, with several a
            ``TagPrediction``, of a detector ``Detections``.
    """

    path: str | None
    answers: dict[str, Prediction | TagPrediction | Detections]

    def __getitem__(self, head: str) -> Prediction | TagPrediction | Detections:
        """The answer of a head."""
        return self.answers[head]

    def told(self) -> tuple[str, str]:
        """What is predicted and its scores, as one line of text each."""
        told = {head: answer.told() for head, answer in self.answers.items()}
        return tuple("; ".join(f"{h}: {t[i]}" for h, t in told.items()) for i in (0, 1))  # type: ignore[return-value]

    def topk(self, k: int = 5) -> list[tuple[str, float]]:
        """The best classes of each head, as ("head: name", score)."""
        return [
            (f"{head}: {name}", score)
            for head, answer in self.answers.items()
            for name, score in answer.topk(k)
        ]

    def to_dict(self, k: int = 5) -> dict[str, Any]:
        """The same as data that JSON can hold: ``path``, and ``tasks`` with each head's answer.

        Args:
            k: how many classes to keep in ``top``.
        """
        tasks = {head: answer.to_dict(k) for head, answer in self.answers.items()}
        for answer in tasks.values():
            del answer["path"]
        return {"path": self.path, "tasks": tasks}


class JointReader:
    """Takes what the heads of a ``MultiTaskModel`` answered.

    Args:
        model: the network.
        file: the checkpoint, which names each head's classes; its author is not trusted.
        thresholds: one number for objects and tags; a threshold file, for the tags of the only head
            that has some; None takes those of the checkpoint, and 0.3 for objects.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a file where not one head has tags, or thresholds of other classes.
    """

    def __init__(
        self,
        model: Any,
        file: WeightsFile,
        thresholds: str | os.PathLike[str] | float | None = None,
    ) -> None:
        told = file.meta.get("dataset_meta")
        tasks = told.get("tasks") if isinstance(told, Mapping) else None
        self.heads = dict(model.heads.items())
        self.threshold = thresholds if isinstance(thresholds, float | int) else None
        self.classes: dict[str, tuple[str, ...]] = {}
        for name, head in self.heads.items():
            part = head.detector if isinstance(head, DetectorHead) else head
            info = tasks.get(name) if isinstance(tasks, Mapping) else None
            names = info.get("classes") if isinstance(info, Mapping) else None
            self.classes[name] = _names(names, _number_of_classes(part))
        tagging = [name for name, h in self.heads.items() if _tags(h)]
        if self.threshold is None and thresholds is not None and len(tagging) != 1:
            raise ValueError(
                f"thresholds={str(thresholds)!r} for a model in which "
                f"{', '.join(tagging) or 'no head'} predicts several labels an image; a file is for "
                "one such head. Give one number for all heads, or leave it out."
            )
        stored = file.meta.get("thresholds")
        for name in tagging:
            own = thresholds_of_head(stored, name)
            where = f"checkpoint {file.path}"
            apply_thresholds(self.heads[name], self.classes[name], thresholds, own, where)

    def read(self, sample: Any, path: str | None) -> JointPrediction:
        """Take the answers to one image.

        Args:
            sample: the ``MultiTaskDataSample`` that the model gave.
            path: of the image.
        """
        return JointPrediction(
            path,
            {name: self._answer(name, head, sample, path) for name, head in self.heads.items()},
        )

    def _answer(self, name: str, head: Any, sample: Any, path: str | None) -> Any:
        classes = self.classes[name]
        if isinstance(head, DetectorHead):
            about: dict[str, Any] = {} if self.threshold is None else {"threshold": self.threshold}
            ids = tuple(range(1, len(classes) + 1))
            return detections_of(
                sample.task(name), path, classes=classes, category_ids=ids, **about
            )
        return prediction_of(sample.task(name), path, head, classes)


def joint_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    """Lines of a CSV file, one an image, the header first.

    Args:
        rows: of ``JointPrediction.to_dict``.
    """
    heads = rows[0]["tasks"]
    columns = {
        head: ("", "_scores", *(["_bboxes"] if "detections" in answer else []))
        for head, answer in heads.items()
    }
    yield ["path", *(f"{head}{end}" for head, ends in columns.items() for end in ends)]
    for row in rows:
        line = [row["path"]]
        for head in heads:
            answer = row["tasks"][head]
            found = answer.get("labels", answer.get("detections", [answer]))
            line.append(SEPARATOR.join(item["class_name"] for item in found))
            line.append(SEPARATOR.join(f"{item['score']:.6f}" for item in found))
            if "detections" in answer:
                boxes = (" ".join(f"{side:.1f}" for side in item["bbox"]) for item in found)
                line.append(SEPARATOR.join(boxes))
        yield line


def _tags(head: Any) -> bool:
    return isinstance(getattr(head, "task", None), MultiLabel)


def _names(names: Any, number: int) -> tuple[str, ...]:
    if isinstance(names, list | tuple) and len(names) == number:
        return tuple(str(name) for name in names)
    return tuple(str(label) for label in range(number))


def _number_of_classes(part: Any) -> int:
    return int((part if hasattr(part, "num_classes") else classifying_head(part)).num_classes)
