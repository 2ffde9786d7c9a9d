"""Samples made of several images, as mosaic and mixup need them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ..registry import DATASETS, TRANSFORMS
from .samplers import EpochIndex
from .seeding import preserved_generators, seed_generators


@DATASETS.register_module()
class MixedImages:
    """A reader whose samples pass through transforms that mix in other samples of it.

    As mmdet's ``MultiImageMixDataset``, but what is mixed depends on (seed, epoch, index) alone,
    and the images that are mixed in have the augmentations of the same epoch.

    Args:
        dataset: a reader, or its config; its own pipeline loads images and boxes.
        pipeline: configs of the transforms that follow. One with ``get_indexes(dataset)``, such as
            mmdet's ``Mosaic`` and ``MixUp``, finds those samples in ``results['mix_results']``.
        skip_type_keys: types of transforms to leave out. mmdet's ``YOLOXModeSwitchHook`` changes
            them for the last epochs.
    """

    def __init__(
        self,
        dataset: Mapping[str, Any] | Any,
        pipeline: Sequence[Mapping[str, Any]],
        skip_type_keys: Sequence[str] | None = None,
    ) -> None:
        self.dataset = DATASETS.build(dict(dataset)) if isinstance(dataset, Mapping) else dataset
        self.transforms = [(step["type"], TRANSFORMS.build(dict(step))) for step in pipeline]
        self.skip_type_keys = tuple(skip_type_keys or ())

    @property
    def metainfo(self) -> dict[str, Any]:
        """The reader's."""
        return dict(self.dataset.metainfo)

    def full_init(self) -> None:
        """Do nothing: everything is read at construction. mmengine calls it."""

    def get_data_info(self, index: int) -> dict[str, Any]:
        """What the reader's pipeline starts from."""
        return dict(self.dataset.get_data_info(index))

    def get_cat_ids(self, index: int) -> list[int]:
        """The labels of the image that comes first."""
        return list(self.dataset.get_cat_ids(index))

    def update_skip_type_keys(self, skip_type_keys: Sequence[str]) -> None:
        """Set ``skip_type_keys``; workers know of it from their next start."""
        self.skip_type_keys = tuple(skip_type_keys)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        """Return a sample that others may be mixed into."""
        epoch = getattr(index, "epoch", 0)
        drawn = _Drawn(self.dataset, epoch)
        with preserved_generators():
            results = drawn[int(index)]
            # The reader has drawn from (seed, epoch, index); these are other draws.
            seed_generators(~self.dataset.seed, epoch, int(index) % len(self))
            for name, transform in self.transforms:
                if name in self.skip_type_keys:
                    continue
                if hasattr(transform, "get_indexes"):
                    chosen = transform.get_indexes(drawn)
                    several = chosen if isinstance(chosen, Sequence) else [chosen]
                    results["mix_results"] = [drawn[int(other)] for other in several]
                results = transform(results)
                if results is None:
                    raise ValueError(
                        f"transform {name} returned None; it must return the dict it was given."
                    )
                results.pop("mix_results", None)
        return results


class _Drawn:
    """The samples of a reader in one epoch, drawn without a trace in the generators."""

    def __init__(self, dataset: Any, epoch: int) -> None:
        self.dataset = dataset
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        with preserved_generators():
            # A copy, as a reader without a pipeline may keep what it gives.
            return copy.deepcopy(self.dataset[EpochIndex(index, self.epoch)])
