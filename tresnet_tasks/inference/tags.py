"""What a multi-label model says of one image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..heads import MultiLabel
from .prediction import Prediction

# Between the names in one cell of a table; CSVTags reads it.
SEPARATOR = "|"


@dataclass(frozen=True, eq=False)
class TagPrediction(Prediction):
    """The classes of an image that are above their thresholds; ``label`` is the most likely one.

    Attributes:
        thresholds: (C,) float32; a class is predicted if its score is strictly above its own.
    """

    thresholds: np.ndarray[Any, np.dtype[np.float32]] = field(
        repr=False, default_factory=lambda: np.empty(0, np.float32)
    )

    @property
    def labels(self) -> list[int]:
        """Ids of the predicted classes, the highest score first; empty where none is."""
        order = np.argsort(-self.scores, kind="stable")
        return [int(label) for label in order[(self.scores > self.thresholds)[order]]]

    @property
    def tags(self) -> list[tuple[str, float]]:
        """The predicted classes as (name, score)."""
        return [(self.classes[label], float(self.scores[label])) for label in self.labels]

    def told(self) -> tuple[str, str]:
        """Names and scores of the predicted classes, as one line of text each."""
        names, scores = [name for name, _ in self.tags], [score for _, score in self.tags]
        return ", ".join(names) or "-", ", ".join(f"{score:.4f}" for score in scores) or "-"

    def shown(self, k: int) -> tuple[list[int], int]:
        """The predicted classes first, then the most likely others.

        Args:
            k: how many, unless more are predicted.

        Returns:
            Their ids, and how many of these are predicted.
        """
        chosen = self.labels
        others = [label for label in self.top_labels(len(self.scores)) if label not in set(chosen)]
        return [*chosen, *others[: max(0, k - len(chosen))]], len(chosen)

    def to_dict(self, k: int = 5) -> dict[str, Any]:
        """The same as data that JSON can hold.

        Args:
            k: how many classes to keep in ``top``.

        Returns:
            ``path``; ``labels``, the predicted classes, each a dict of ``class_id``, ``class_name``,
            ``score`` and ``threshold``; and ``top``, see ``Prediction.to_dict``.
        """
        labels = [
            {
                "class_id": label,
                "class_name": self.classes[label],
                "score": float(self.scores[label]),
                "threshold": float(self.thresholds[label]),
            }
            for label in self.labels
        ]
        return {"path": self.path, "labels": labels, "top": super().to_dict(k)["top"]}


def prediction_of(
    sample: Any, path: str | None, head: Any, classes: tuple[str, ...]
) -> Prediction | TagPrediction:
    """Take what a classification head answered.

    Args:
        sample: a ``ClsDataSample`` with ``pred_score``.
        path: of the image.
        head: the head; it knows whether an image has one label or several.
        classes: names of its classes.
    """
    scores = sample.pred_score.float().cpu().numpy()
    label = int(scores.argmax())
    common = {
        "path": path,
        "label": label,
        "class_name": classes[label],
        "score": float(scores[label]),
        "scores": scores,
        "classes": classes,
    }
    if isinstance(head.task, MultiLabel):
        return TagPrediction(**common, thresholds=head.task.thresholds.cpu().numpy())
    return Prediction(**common)


def tag_rows(results: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    """Lines of a CSV file, the header first; names and scores of an image stand in one cell each.

    Args:
        results: of ``TagPrediction.to_dict``.
    """
    yield ["path", "labels", "scores"]
    for result in results:
        names = SEPARATOR.join(label["class_name"] for label in result["labels"])
        scores = SEPARATOR.join(f"{label['score']:.6f}" for label in result["labels"])
        yield [result["path"], names, scores]
