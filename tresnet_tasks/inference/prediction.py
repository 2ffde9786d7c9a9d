"""What a model says of one image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Prediction:
    """The class of an image, and how sure the model is of every class.

    Attributes:
        path: the file, or None where the image came as an array or a PIL image.
        label: id of the most likely class, 0 to C - 1.
        class_name: its name; the id as text where the checkpoint names no classes.
        score: its score, in [0, 1].
        scores: (C,) float32, the scores of all classes in the order of their ids.
        classes: the names of all C classes.
    """

    path: str | None
    label: int
    class_name: str
    score: float
    scores: np.ndarray[Any, np.dtype[np.float32]] = field(repr=False)
    classes: tuple[str, ...] = field(repr=False)

    def top_labels(self, k: int = 5) -> list[int]:
        """Ids of the most likely classes, best first; ties in the order of the ids.

        Args:
            k: how many, at least 1; all C where there are fewer.

        Raises:
            ValueError: if ``k`` is less than 1.
        """
        if k < 1:
            raise ValueError(f"topk got k={k}; expected 1 or more.")
        return [int(label) for label in np.argsort(-self.scores, kind="stable")[:k]]

    def topk(self, k: int = 5) -> list[tuple[str, float]]:
        """The most likely classes as (name, score), best first; arguments as ``top_labels``."""
        return [(self.classes[label], float(self.scores[label])) for label in self.top_labels(k)]

    def told(self) -> tuple[str, str]:
        """Name and score of the most likely class as text."""
        return self.class_name, f"{self.score:.4f}"

    def shown(self, k: int) -> tuple[list[int], int]:
        """Ids of the ``k`` best classes, and how many of these are predicted: the first."""
        return self.top_labels(k), 1

    def to_dict(self, k: int = 5) -> dict[str, Any]:
        """The same as data that JSON can hold.

        Args:
            k: how many classes to keep.

        Returns:
            ``path``, ``class_id``, ``class_name``, ``score``, and ``top``: the best classes, each a
            dict of ``class_id``, ``class_name`` and ``score``.
        """
        top = [
            {"class_id": label, "class_name": name, "score": score}
            for label, (name, score) in zip(self.top_labels(k), self.topk(k), strict=True)
        ]
        return {
            "path": self.path,
            "class_id": self.label,
            "class_name": self.class_name,
            "score": self.score,
            "top": top,
        }
