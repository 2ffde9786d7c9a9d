"""What all readers share, whatever they say of an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch.utils.data import Dataset, get_worker_info

from ..registry import TRANSFORMS
from .image_io import UnreadableImageError
from .packed_strings import PackedStrings
from .seeding import preserved_generators, seed_generators

Transform = Callable[[dict[str, Any]], dict[str, Any]]


class NothingLeftError(ValueError):
    """A transform that returns None: nothing is left of the sample, as after a crop without boxes."""


class ImageDataset(Dataset[Any]):
    """Images and what is known of them; the base of every reader.

    A reader stores its own arguments, then calls ``super().__init__``, which calls
    ``load_data_list``. There ``self.classes`` already holds the class names, or None where neither
    the user nor the source names them.

    What a sample goes through depends on (seed, epoch, index) alone, never on the worker that draws
    it: index with an ``EpochIndex`` (``EpochSampler`` does), or with an int, which counts as epoch
    0.

    Args:
        pipeline: transforms, each a config dict for ``TRANSFORMS`` or a callable from dict to dict.
        classes: names in the order of their labels; None takes the source's.
        test_mode: the same draw in every epoch.
        on_error: ``'raise'`` ends with the error of the first unreadable image. ``'skip'`` leaves
            it out: in training the next readable image takes its place, in test mode ``dataset[i]``
            is None and ``collate`` drops it; ``unreadable_files`` names what was left out.
        seed: of the augmentations.

    Raises:
        ValueError: for an unknown ``on_error``, classes named twice or an empty data set.

    Attributes:
        task: what is known of an image: 'single_label', 'multi_label' or 'detection'.
    """

    task: str

    def __init__(
        self,
        *,
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        classes: Sequence[str] | None = None,
        test_mode: bool = False,
        on_error: str = "raise",
        seed: int = 0,
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error is {on_error!r}; it must be 'raise' or 'skip'.")
        self.test_mode = test_mode
        self.on_error = on_error
        self.seed = seed
        self.classes = checked_classes(classes) if classes is not None else self.load_classes()
        self.pipeline = [
            TRANSFORMS.build(dict(step)) if isinstance(step, Mapping) else step for step in pipeline
        ]
        self._paths = PackedStrings(self._pack(self.load_data_list()))
        if not len(self._paths):
            raise ValueError(
                f"{self} has no images; put some there (data/README.md shows the layout)."
            )
        # In shared memory, so that what a worker finds is known to the main process.
        self.unreadable = torch.zeros(len(self._paths), dtype=torch.bool)
        self.unreadable.share_memory_()  # type: ignore[no-untyped-call]

    # ------------------------------------------------------------------ what a reader provides

    def load_data_list(self) -> Iterable[Any]:
        """Say for every image where it is and what is known of it, in a list or lazily."""
        raise NotImplementedError(f"{type(self).__name__} must define load_data_list")

    def load_classes(self) -> tuple[str, ...] | None:
        """Read the class names from the source where the user gave none; None if it has none."""
        return None

    @classmethod
    def class_names(cls, **kwargs: Any) -> tuple[str, ...] | None:
        """Read the class names alone, without the images.

        Args:
            kwargs: the arguments of the constructor; what it does not need is ignored.

        Returns:
            Names in the order of their labels; None where the source has none (labels are then
            counted).
        """
        classes = kwargs.get("classes")
        return checked_classes(classes) if classes is not None else None

    @classmethod
    def label_task(cls, **kwargs: Any) -> str:
        """``task`` of a data set with these arguments, which are the constructor's."""
        return cls.task

    def img_path(self, index: int) -> str:
        """Where an image is."""
        return self._paths[index]

    def get_data_info(self, index: int) -> dict[str, Any]:
        """What the pipeline starts from; ``img_path`` and ``sample_idx`` at least."""
        return {"img_path": self._paths[index], "sample_idx": int(index)}

    def _pack(self, samples: Iterable[Any]) -> Iterator[str]:
        """Yield the path of each image, and keep what else ``load_data_list`` says of it."""
        raise NotImplementedError(f"{type(self).__name__} must define _pack")

    # ------------------------------------------------------------------ what the user gets

    @property
    def metainfo(self) -> dict[str, Any]:
        """``classes`` (names in label order) and ``task``."""
        return {"classes": self.classes, "task": self.task}

    def full_init(self) -> None:
        """Do nothing: everything is read at construction. mmengine calls it."""

    def __len__(self) -> int:
        return len(self._paths)

    def unreadable_files(self) -> list[str]:
        """Name the images that any worker has left out so far, in the order of the data set."""
        return [self._paths[int(index)] for index in self.unreadable.nonzero().flatten()]

    def __getitem__(self, index: int) -> Any:
        """Return what the pipeline makes of an image.

        Args:
            index: an int, or an ``EpochIndex`` for the augmentations of that epoch.

        Returns:
            The result of the last transform; None for an unreadable image in test mode with
            ``on_error='skip'``.

        Raises:
            ValueError: naming file and reason, if the image cannot be read and ``on_error`` is
                ``'raise'``, or if no image can be read.
        """
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return a batch of samples; torch's loaders ask for whole batches where they can."""
        # A worker's generators serve nothing but samples; the main process's also serve the model.
        with preserved_generators() if get_worker_info() is None else nullcontext():
            return [self._sample(index) for index in indices]

    def _sample(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {int(index)} is out of range for {len(self)} images")
        epoch = 0 if self.test_mode else getattr(index, "epoch", 0)
        first = int(index) % len(self)
        for step in range(len(self)):
            candidate = (first + step) % len(self)
            if self.on_error == "raise" or not self.unreadable[candidate]:
                # The index asked for, not the candidate: a stand-in differs from its own turn.
                seed_generators(self.seed, epoch, first)
                try:
                    return self._prepare(candidate)
                except UnreadableImageError as error:
                    self.unreadable[candidate] = True
                    if self.on_error == "raise":
                        raise UnreadableImageError(
                            f"{error} on_error='skip' lets the data set leave it out."
                        ) from error
            if self.test_mode:
                return None
        raise ValueError(
            f"none of the {len(self)} images of {self} can be read, the first being "
            f"{self._paths[0]}. "
            "Use on_error='raise' to see why."
        )

    def _prepare(self, index: int) -> Any:
        results: Any = self.get_data_info(index)
        for transform in self.pipeline:
            results = transform(results)
            if results is None:
                raise NothingLeftError(
                    f"transform {transform!r} returned None for {self._paths[index]}; "
                    "it must return the dict that it was given."
                )
        return results

    def __repr__(self) -> str:
        return type(self).__name__


def checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Check class names given by the user.

    Raises:
        ValueError: for a string instead of a list, no name at all, or one that occurs twice.
    """
    if isinstance(classes, str):
        raise ValueError(
            f"classes is the string {classes!r}; give a list of names, in the order of their "
            "labels."
        )
    names = tuple(str(name) for name in classes)
    if not names:
        raise ValueError("classes is empty; name at least one class, or leave it out.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f"classes names {', '.join(map(repr, twice[:5]))} more than once; every class needs a "
            "name of its own."
        )
    return names
