"""Names the images that a data set had to leave out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook

from tresnet_tasks.registry import HOOKS


@HOOKS.register_module()
class UnreadableImagesHook(Hook):
    """After each epoch, warns of files that could not be read (data sets with ``on_error='skip'``),
    each file once.

    A data set takes part if it, or one that it wraps, has ``unreadable_files() -> list[str]``.

    Args:
        show: how many names are printed at most each time; the number of all is printed in any
            case.
    """

    priority = "LOW"

    def __init__(self, show: int = 10) -> None:
        self.show = show
        self._told: set[str] = set()

    def after_train_epoch(self, runner: Any) -> None:
        """Look through the training set."""
        self._tell(runner, runner.train_dataloader, "training")

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Look through the validation set."""
        self._tell(runner, runner.val_dataloader, "validation")

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Look through the test set."""
        self._tell(runner, runner.test_dataloader, "test")

    def _tell(self, runner: Any, dataloader: Any, split: str) -> None:
        mine = [name for part in data_sets(dataloader.dataset) for name in part.unreadable_files()]
        found = {name for names in all_gather_object(mine) for name in names}
        new = sorted(found - self._told)
        if not new:
            return
        self._told.update(new)
        listed = "\n  ".join(new[: self.show])
        more = f"\n  ... and {len(new) - self.show} more" if len(new) > self.show else ""
        images = "image was" if len(new) == 1 else "images were"
        runner.logger.warning(
            f"{len(new)} unreadable {images} left out of the {split} set:\n  {listed}{more}"
        )


def data_sets(dataset: Any) -> Iterator[Any]:
    """The data set and those that it wraps, as far as they name unreadable files."""
    if hasattr(dataset, "unreadable_files"):
        yield dataset
        return
    inner = [*getattr(dataset, "datasets", ()), getattr(dataset, "dataset", None)]
    for part in inner:
        if part is not None:
            yield from data_sets(part)
