"""What a model is given: images after pipeline, collation and preprocessor."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import ImgDataPreprocessor
from mmengine.registry import DefaultScope
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from ..datasets import EpochIndex
from ..registry import MODELS, SCOPE
from ..upstream.runner import TaskRunner
from .checks import check_config
from .completion import complete_config
from .hooks.step_seed import seed_step

SPLITS = ("train", "val", "test")
_OF_WORKERS = ("persistent_workers", "prefetch_factor", "timeout", "pin_memory")


@dataclass(frozen=True)
class ModelInput:
    """An image as a model gets it.

    Attributes:
        image: (H, W, 3) uint8 RGB, padding included.
        sample: the data sample that goes with it, targets mixed as the image is.
        epoch: of its augmentations, from 0.
    """

    image: NDArray[np.uint8]
    sample: Any
    epoch: int


class ModelInputs:
    """The images that a run of a config gives to its model, on the CPU and in one process.

    Of the training split these are the batches of an epoch's first steps, pixel by pixel: the order
    follows from the seed, augmentations from (seed, epoch, index), MixUp and CutMix from (seed,
    step). Of the others they are drawn at random.

    Args:
        cfg: as read; it is completed in place.
        split: 'train', 'val' or 'test'.

    Raises:
        FileNotFoundError: if the data are not there.
        ValueError: if the config has no such split, or something is wrong with it, see
            :func:`check_config` and :func:`complete_config`.

    Attributes:
        dataset: of the split.
        preprocessor: its config.
        seed: of the config; 0 where it has none, though a run would draw one.
        batch_size: images of the first step that was drawn from.
    """

    def __init__(self, cfg: Config, split: str = "train") -> None:
        if cfg.get(f"{split}_dataloader") is None:
            there = [name for name in SPLITS if cfg.get(f"{name}_dataloader") is not None]
            raise ValueError(
                f"config {cfg.filename} has no {split}_dataloader. It has data for: "
                f"{', '.join(there) or 'nothing'}."
            )
        check_config(cfg)
        randomness = cfg.get("randomness") or {}
        self.seed = int(randomness.get("seed") or 0)
        cfg.randomness = {**randomness, "seed": self.seed}
        complete_config(cfg)
        self.training = split == "train"
        settings = {k: v for k, v in cfg[f"{split}_dataloader"].items() if k not in _OF_WORKERS}
        settings["num_workers"] = 0
        model = cfg.get("model") or {}
        kind = "Preprocessor" if model.get("heads") is None else "MultiTaskPreprocessor"
        self.preprocessor = {"type": kind, **(model.get("data_preprocessor") or {})}
        with DefaultScope.overwrite_default_scope(cfg.get("default_scope") or SCOPE):
            self._loader = TaskRunner.build_dataloader(settings, seed=self.seed)
            self._preprocessor = MODELS.build(dict(self.preprocessor))
        self.dataset = self._loader.dataset
        self.batch_size = 0

    def draw(self, number: int, epoch: int = 0, repeats: int = 1) -> Iterator[list[ModelInput]]:
        """Give images, each of them several times.

        Args:
            number: of images, as far as an epoch has so many. They are taken evenly from as few
                steps as have them.
            epoch: whose first steps are looked at, from 0.
            repeats: give each image as this epoch and as the next ones would have it.

        Yields:
            Of each image a list of ``repeats``.

        Raises:
            ValueError: if an image cannot be read, or an epoch has no step.
        """
        steps = self._first_steps(number, epoch) if self.training else self._some_steps(number)
        self.batch_size = len(steps[0])
        total = sum(map(len, steps))
        chosen = {turn * total // number for turn in range(number)}
        first = 0
        for step, indices in enumerate(steps):
            rounds = [self._given(indices, step, epoch, later) for later in range(repeats)]
            for position, images in enumerate(zip(*rounds, strict=True), start=first):
                if position in chosen:
                    yield list(images)
            first += len(indices)

    def _first_steps(self, number: int, epoch: int) -> list[Sequence[int]]:
        """The first batches of an epoch, as many as have ``number`` images."""
        sampler = getattr(self._loader.batch_sampler, "sampler", self._loader.sampler)
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)
        steps: list[Sequence[int]] = []
        for indices in self._loader.batch_sampler:
            steps.append(indices)
            if sum(map(len, steps)) >= number:
                return steps
        if not steps:
            raise ValueError(
                f"the {len(self.dataset)} images make no batch of {self._loader.batch_size}, and "
                "drop_last=True leaves out smaller ones. Set a smaller batch_size, or "
                "drop_last=False."
            )
        return steps

    def _some_steps(self, number: int) -> list[Sequence[int]]:
        """Batches of images drawn at random; of several data sets as many of each."""
        draw = random.Random(self.seed)
        sizes = list(getattr(self.dataset, "sizes", {"": len(self.dataset)}).values())
        chosen: list[int] = []
        for part, size in enumerate(sizes):
            first = sum(sizes[:part])
            share = number * (part + 1) // len(sizes) - number * part // len(sizes)
            chosen += sorted(draw.sample(range(first, first + size), min(share, size)))
        batch = self._loader.batch_size or len(chosen)
        return [chosen[start : start + batch] for start in range(0, len(chosen), batch)]

    def _given(self, indices: Sequence[int], step: int, epoch: int, later: int) -> list[ModelInput]:
        """A step's batch, with the augmentations of ``later`` epochs after its own."""
        indices = [
            EpochIndex(int(i), i.epoch + later) if isinstance(i, EpochIndex) else i for i in indices
        ]
        (batch,) = DataLoader(
            self.dataset, batch_sampler=[indices], collate_fn=self._loader.collate_fn
        )
        for position, sample in enumerate(batch["data_samples"]):
            sample.set_metainfo({"batch_position": position})
        seed_step(self.seed, (epoch + later) * len(self._loader) + step)
        with torch.no_grad():
            given: Mapping[str, Any] = self._preprocessor(batch, self.training)
        inputs, samples = given["inputs"], given["data_samples"]
        if isinstance(inputs, list):  # groups of a joint batch
            inputs = [image for group in inputs for image in group]
            samples = [sample for group in samples for sample in group]
        found = [
            ModelInput(self._pixels(image), sample, epoch + later)
            for image, sample in zip(inputs, samples, strict=True)
        ]
        return sorted(found, key=lambda one: one.sample.batch_position)

    def _pixels(self, image: Tensor) -> NDArray[np.uint8]:
        """(H, W, 3) of what the preprocessor has made of an image."""
        if hasattr(self._preprocessor, "std"):
            image = image * self._preprocessor.std + self._preprocessor.mean
        elif image.is_floating_point() and not isinstance(self._preprocessor, ImgDataPreprocessor):
            image = image * 255
        pixels = image.round().clamp(0, 255).byte().permute(1, 2, 0)
        return np.ascontiguousarray(pixels.numpy())


def labelled_parts(dataset: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The readers that a data set is made of, each with the name of the head or data set it is for."""
    if hasattr(dataset, "readers"):
        yield from dataset.readers.items()
    elif hasattr(dataset, "datasets"):
        parts = dataset.datasets
        for inner, part in zip(getattr(dataset, "names", [name] * len(parts)), parts, strict=True):
            yield from labelled_parts(part, inner)
    elif hasattr(dataset, "dataset"):
        yield from labelled_parts(dataset.dataset, name)
    else:
        yield name, dataset
