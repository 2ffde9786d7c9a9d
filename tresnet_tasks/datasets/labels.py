"""The labels of all images in a few blocks of memory, which workers share instead of copying."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray


class SingleLabels:
    """One class id an image."""

    def __init__(self) -> None:
        self._ids = array("q")

    @property
    def ids(self) -> NDArray[np.int64]:
        """(N,) int64, one id an image."""
        return np.asarray(self._ids, dtype=np.int64)

    def append(self, label: Any) -> None:
        """Take the label of the next image."""
        self._ids.append(int(label))

    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest id."""
        return min(self._ids), max(self._ids)

    def fields(self, index: int, num_classes: int) -> dict[str, Any]:
        """``gt_label`` of an image."""
        return {"gt_label": self._ids[index]}

    def positives(self, index: int) -> list[int]:
        """The label of an image, as a list of one."""
        return [self._ids[index]]

    def counts(self, num_classes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many images each class has, and how many there are; both (C,)."""
        held = np.bincount(self.ids, minlength=num_classes)
        return held, np.full(num_classes, len(self._ids))


class MultiLabels:
    """For each image the classes that are listed: 1 holds, 0 does not, -1 unknown. 4 bytes a label.

    Args:
        unlisted: what the classes are that are not listed, 0 or -1.
    """

    def __init__(self, unlisted: int) -> None:
        if unlisted not in (0, -1):
            raise ValueError(
                f"unlisted is {unlisted!r}; expected 0 (classes that are not listed do not hold) "
                "or -1 (they are unknown)."
            )
        self.unlisted = unlisted
        self._codes = array("i")  # class << 2 | label + 1
        self._ends = array("q", [0])

    def append(self, label: Any) -> None:
        """Take the labels of the next image, by class id.

        Args:
            label: a mapping of class ids to 1, 0 and -1.

        Raises:
            ValueError: for a label other than 1, 0 and -1.
        """
        for class_id, value in label.items():
            if value not in (1, 0, -1):
                raise ValueError(
                    f"class {class_id} has the label {value!r}; expected 1 (it holds), 0 (it does "
                    "not) or -1 (unknown). Correct the annotations."
                )
            if value != self.unlisted:
                self._codes.append(int(class_id) << 2 | int(value) + 1)
        self._ends.append(len(self._codes))

    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest id; (0, -1) if none is listed."""
        return (min(self._codes) >> 2, max(self._codes) >> 2) if self._codes else (0, -1)

    def fields(self, index: int, num_classes: int) -> dict[str, Any]:
        """``gt_score`` of an image, (C,) float32 of 1, 0 and -1."""
        score = np.full(num_classes, self.unlisted, dtype=np.float32)
        codes = self._of(index)
        score[codes >> 2] = (codes & 3) - 1
        return {"gt_score": score}

    def positives(self, index: int) -> list[int]:
        """The classes that hold for an image."""
        codes = self._of(index)
        held: list[int] = (codes[codes & 3 == 2] >> 2).tolist()
        return held

    def counts(self, num_classes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For how many images each class holds, and for how many that is known; both (C,)."""
        codes = np.asarray(self._codes, dtype=np.int32)
        classes, values = codes >> 2, (codes & 3) - 1

        def count(which: NDArray[np.bool_]) -> NDArray[np.int64]:
            return np.bincount(classes[which], minlength=num_classes)

        if self.unlisted == 0:
            return count(values == 1), len(self._ends) - 1 - count(values == -1)
        return count(values == 1), count(values >= 0)

    def _of(self, index: int) -> NDArray[np.int32]:
        index %= len(self._ends) - 1
        return np.asarray(self._codes[self._ends[index] : self._ends[index + 1]], dtype=np.int32)
