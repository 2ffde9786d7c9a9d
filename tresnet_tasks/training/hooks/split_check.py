"""Whether the training and the validation data belong together, before training starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from numpy.typing import NDArray

from ...datasets.same_files import same_files
from ...registry import HOOKS

_FEW = 5


@HOOKS.register_module()
class SplitCheckHook(Hook):
    """Says what training and validation data lack of each other, and what they share.

    * Images of the same bytes in both: scores would be too good.
    * Classes of which the validation data have no image: they cannot be measured.
    * Classes of which the training data have no image, but the validation data do: they cannot be
      learnt. An error where each image has one label; a warning where a rare tag may be missing.

    Args:
        overlap: what to do about images in both: ``'warn'``, ``'refuse'`` (an error) or
            ``'ignore'`` (they are not looked for).
        most: files up to which ``'warn'`` looks for them; the sizes of all files are asked for, and
            those of equal size opened.

    Raises:
        ValueError: for another ``overlap``; in training as said above.
    """

    def __init__(self, overlap: str = "warn", most: int = 200_000) -> None:
        if overlap not in ("warn", "refuse", "ignore"):
            raise ValueError(
                f"SplitCheckHook got overlap={overlap!r}; expected 'warn', 'refuse' or 'ignore'"
            )
        self.overlap = overlap
        self.most = most

    def before_train(self, runner: Any) -> None:
        """Compare the two."""
        if runner.val_loop is None:
            return
        datasets = [loader.dataset for loader in (runner.train_dataloader, runner.val_dataloader)]
        self._compare_classes(runner, *map(_labels, datasets))
        if self.overlap == "ignore":
            return
        files = [sum(len(part) for _, part in _parts(data, "img_path")) for data in datasets]
        if self.overlap == "warn" and sum(files) > self.most:
            runner.logger.info(
                f"{sum(files)} files, more than {self.most}: not looked for images that are in "
                "both the training and the validation data (overlap='refuse' of SplitCheckHook "
                "looks always)"
            )
            return
        # One process looks; then all go on, or none.
        found = [same_files(*map(_paths, datasets)) if is_main_process() else []]
        broadcast_object_list(found)
        if found[0]:
            self._tell(runner, found[0], len(set(_paths(datasets[1]))))

    def _tell(self, runner: Any, found: Sequence[tuple[str, str]], number: int) -> None:
        pairs = "\n".join(
            f"  {other}" + ("" if one == other else f" = {one}") for one, other in found[:5]
        )
        text = (
            f"{len(found)} of {number} validation images are byte for byte among the training "
            f"images, so scores will be too good:\n{pairs}\n" + ("  ...\n" if found[5:] else "")
        )
        if self.overlap == "refuse":
            raise ValueError(
                f"{text}Take them out of one of the two, or set overlap='warn' of SplitCheckHook."
            )
        runner.logger.warning(
            f"{text}Take them out of one of the two. default_hooks.split_check.overlap='refuse' "
            "makes this an error, 'ignore' keeps it quiet."
        )

    def _compare_classes(
        self, runner: Any, training: dict[str, _Labels], validation: dict[str, _Labels]
    ) -> None:
        for head in training.keys() & validation.keys():
            classes, several, learnt = training[head]
            others, _, measured = validation[head]
            if classes != others:
                continue
            unmeasured = _listed(classes, learnt & ~measured)
            if unmeasured:
                runner.logger.warning(
                    f"the validation data have no image of {unmeasured}: how well they are learnt "
                    f"cannot be measured{_misspelt(classes, learnt & ~measured)}"
                )
            unlearnt = _listed(classes, measured & ~learnt)
            if not unlearnt:
                continue
            told = f"the training data have no image of {unlearnt}, but the validation data do"
            if not several:
                raise ValueError(
                    f"{told}; these cannot be learnt. Add training images, or take the images of "
                    "such classes out of the validation data."
                )
            runner.logger.warning(f"{told}; these cannot be learnt")


class _Labels(NamedTuple):
    """Class names, whether an image may have several, and which classes any image has, (C,)."""

    classes: tuple[str, ...]
    several: bool
    held: NDArray[np.bool_]


def _labels(dataset: Any) -> dict[str, _Labels]:
    """What a data set says of labels, by the head that they are for."""
    found: dict[str, _Labels] = {}
    for head, part in _parts(dataset, "label_counts"):
        info = part.metainfo
        held = part.label_counts()[0] > 0
        if head in found:
            held = held | found[head].held
        found[head] = _Labels(tuple(info["classes"]), info["task"] == "multi_label", held)
    return found


def _paths(dataset: Any) -> list[str]:
    parts = [part for _, part in _parts(dataset, "img_path")]
    return [part.img_path(index) for part in parts for index in range(len(part))]


def _parts(dataset: Any, attribute: str, head: str = "") -> Iterator[tuple[str, Any]]:
    """The outermost data sets in a data set that have an attribute, each with its head."""
    if hasattr(dataset, attribute):
        yield head, dataset
    elif hasattr(dataset, "readers"):
        for name, reader in dataset.readers.items():
            yield from _parts(reader, attribute, name)
    elif hasattr(dataset, "datasets"):
        names = getattr(dataset, "names", [head] * len(dataset.datasets))
        for name, part in zip(names, dataset.datasets, strict=True):
            yield from _parts(part, attribute, name)
    elif hasattr(dataset, "dataset"):
        yield from _parts(dataset.dataset, attribute, head)


def _listed(names: Sequence[str], which: NDArray[np.bool_]) -> str:
    found = [repr(name) for name, chosen in zip(names, which, strict=True) if chosen]
    if not found:
        return ""
    number = f"{len(found)} classes: " if len(found) > 1 else "class "
    return number + ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")


def _misspelt(classes: Sequence[str], absent: NDArray[np.bool_]) -> str:
    """A hint at names that look like another's; of few, as many were hardly all typed wrong."""
    if absent.sum() > _FEW:
        return ""
    present = [name for name, gone in zip(classes, absent, strict=True) if not gone]
    names = [name for name, gone in zip(classes, absent, strict=True) if gone]
    near = ((name, get_close_matches(name, present, 1, 0.8)) for name in names)
    pairs = [f"{name!r} for {found[0]!r}" for name, found in near if found]
    return f". Misspelt, perhaps: {', '.join(pairs)}?" if pairs else ""
