"""Some of a data set's images: one fold of several, or a few images of each class."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from .nearest_name import nearest_name


class Subset:
    """Which images of a data set are used; the same ones whenever it is asked for the same data.

    Args:
        fold: ``(k, K)``, the k-th (from 1) of K folds: in test mode the fold itself, otherwise the
            rest. Folds hold about the same share of each class; with several labels an image they
            are balanced by the rarest one of each image.
        per_class: keep images, in random order, until each class holds for so many; fewer of them
            are among more. Of the fold's part, where both are given. Images without a label that
            holds are left out.
        seed: of the shuffling, apart from that of the run: every run has the same folds.

    Raises:
        ValueError: for a number out of range.
    """

    def __init__(
        self, fold: Sequence[int] | None = None, per_class: int | None = None, seed: int = 0
    ) -> None:
        if fold is not None and not (
            len(fold) == 2 and all(isinstance(n, int) for n in fold) and 1 <= fold[0] <= fold[1] > 1
        ):
            raise ValueError(
                f"subset has fold={fold!r}; expected (k, K), the k-th of K folds, from (1, K) to "
                "(K, K), with K of 2 or more."
            )
        if per_class is not None and per_class < 1:
            raise ValueError(f"subset has per_class={per_class}; expected 1 or more.")
        self.fold = fold
        self.per_class = per_class
        self.seed = seed

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None) -> Subset | None:
        """One with the settings of a config; None for none.

        Raises:
            ValueError: for a setting that there is not.
        """
        known = ("fold", "per_class", "seed")
        unknown = [name for name in settings or () if name not in known]
        if unknown:
            raise ValueError(f"subset has no {unknown[0]!r}. {nearest_name(unknown[0], known)}")
        return None if settings is None else cls(**settings)

    def choose(
        self,
        labels: Sequence[Sequence[int]],
        names: Sequence[str] | None,
        *,
        several: bool,
        held_out: bool,
    ) -> NDArray[np.int64]:
        """Choose images.

        Args:
            labels: for each image the ids of the classes that hold.
            names: of the classes; None for the ids themselves.
            several: whether an image may have any number of labels.
            held_out: whether the fold itself is asked for, rather than the rest.

        Returns:
            Indices of the chosen images, in ascending order.

        Raises:
            ValueError: for a class with fewer images than folds, where each image has one label: a
                fold without it could not measure it. With several labels an image that is a
                warning.
        """
        chosen: NDArray[np.int64] = np.arange(len(labels))
        if self.fold is not None:
            chosen = self._fold(labels, names, several, held_out)
        if self.per_class is not None:
            chosen = self._few(labels, names, chosen)
        return chosen

    def _fold(
        self,
        labels: Sequence[Sequence[int]],
        names: Sequence[str] | None,
        several: bool,
        held_out: bool,
    ) -> NDArray[np.int64]:
        number, folds = self.fold or (1, 1)
        counts = Counter(label for image in labels for label in image)
        rare = sorted((count, label) for label, count in counts.items() if count < folds)
        if rare:
            told = _listed([f"{_name(label, names)} ({count})" for count, label in rare])
            what = f"classes with fewer images than the {folds} folds: {told}"
            if not several:
                raise ValueError(
                    f"{what}. A fold without a class cannot measure it: use at most {rare[0][0]} "
                    "folds, add images, or leave such classes out."
                    if rare[0][0] > 1
                    else f"{what}. A fold without a class cannot measure it: add images, or leave "
                    "such classes out."
                )
            warnings.warn(f"{what}; some folds cannot measure them.", stacklevel=2)
        # The rarest class is balanced first, as far as one fold an image allows.
        keys = [min(image, key=lambda c: (counts[c], c), default=-1) for image in labels]
        if len(labels) < folds or max(Counter(keys).values()) < folds:
            raise ValueError(f"{len(labels)} images are too few for {folds} folds; use fewer.")
        splitter = StratifiedKFold(folds, shuffle=True, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of rare classes, told above
            rest, fold = list(splitter.split(np.zeros(len(keys)), keys))[number - 1]
        part: NDArray[np.int64] = fold if held_out else rest
        return part

    def _few(
        self,
        labels: Sequence[Sequence[int]],
        names: Sequence[str] | None,
        among: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        number = self.per_class or 0
        held: Counter[int] = Counter()
        chosen = []
        for index in np.random.default_rng(self.seed).permutation(among).tolist():
            if any(held[label] < number for label in labels[index]):
                chosen.append(index)
                held.update(labels[index])
        short = sorted((count, label) for label, count in held.items() if count < number)
        if short:
            told = _listed([f"{_name(label, names)} ({count})" for count, label in short])
            warnings.warn(
                f"classes with fewer than per_class={number} images, all of which are used: {told}.",
                stacklevel=2,
            )
        return np.asarray(sorted(chosen), dtype=np.int64)


def _name(label: int, names: Sequence[str] | None) -> str:
    return repr(names[label]) if names is not None and 0 <= label < len(names) else str(label)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (", ..." if len(words) > 5 else "")
