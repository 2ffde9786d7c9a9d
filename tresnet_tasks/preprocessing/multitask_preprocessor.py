"""From a collated batch of several tasks to what the backbone takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torch.nn.functional import pad

from ..datasets.stacking import stack_images
from ..registry import MODELS
from ..structures import MultiTaskDataSample

Samples = list[MultiTaskDataSample]


@MODELS.register_module()
class MultiTaskPreprocessor(BaseDataPreprocessor):
    """Move a batch of uint8 images to the device and scale it to [0, 1], in groups of one size.

    Images of several data sets may differ in size, and in statistics. Those of one size make one
    group, which the backbone sees as one batch; otherwise each data set makes a group. Within a
    group smaller images are padded at the bottom and at the right. In training all processes make
    as many groups, because losses and batch statistics are exchanged group by group.

    Args:
        batch_statistics: what batch normalisation sees in training: ``'shared'``, images of all
            data sets in one batch where their sizes allow it, or ``'per_source'``, each data set by
            itself. For frozen ones set ``norm_eval=True`` in the backbone.
        size_divisor: sides are padded to a multiple of it.
        channels_last: whether images leave in the channels_last memory format.
        non_blocking: whether copying from pinned memory may overlap with computation.

    Raises:
        ValueError: for another word, or a divisor that is not a positive multiple of 4.
    """

    def __init__(
        self,
        batch_statistics: str = "shared",
        size_divisor: int = 4,
        channels_last: bool = False,
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking)
        if batch_statistics not in ("shared", "per_source"):
            raise ValueError(
                f"batch_statistics={batch_statistics!r}; expected 'shared' or 'per_source'."
            )
        if size_divisor < 4 or size_divisor % 4:
            raise ValueError(
                f"size_divisor={size_divisor}; expected a positive multiple of 4, which the "
                "backbone needs."
            )
        self.batch_statistics = batch_statistics
        self.size_divisor = size_divisor
        self.channels_last = channels_last

    def forward(self, data: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        """Prepare a batch.

        Args:
            data: ``inputs``, uint8 (N, 3, H, W) or a list of N (3, H, W); ``data_samples``, N
                ``MultiTaskDataSample``, or None for unlabelled images of one group.
            training: whether the batch is for training.

        Returns:
            ``inputs``: float32 (N, 3, H, W) in [0, 1]; ``data_samples``: N, on the device. Of
            several groups, lists of these.

        Raises:
            ValueError: if the images are not uint8, or if in training the processes have images of
                different numbers of data sets, which differ in size.
        """
        images, samples = data["inputs"], data.get("data_samples")
        if images[0].dtype != torch.uint8:
            raise ValueError(
                f"the images of a batch are {images[0].dtype}; expected uint8 in [0, 255], which "
                "is divided by 255 here. Leave normalisation and conversion to float out of the "
                "pipeline."
            )
        if samples is None:
            samples = [MultiTaskDataSample() for _ in images]
        groups = [
            self._group([images[i] for i in indices], [samples[i] for i in indices])
            for indices in self._split(images, samples, training)
        ]
        if len(groups) == 1:
            return {"inputs": groups[0][0], "data_samples": groups[0][1]}
        return {"inputs": [g[0] for g in groups], "data_samples": [g[1] for g in groups]}

    def _split(
        self, images: Sequence[Tensor], samples: Sequence[MultiTaskDataSample], training: bool
    ) -> list[list[int]]:
        groups: dict[Any, list[int]] = {}
        for index, sample in enumerate(samples):
            groups.setdefault(sample.get("source"), []).append(index)
        one_size = len({tuple(image.shape[-2:]) for image in images}) == 1
        apart = not one_size or (training and self.batch_statistics == "per_source")
        if training and get_world_size() > 1 and None not in groups:
            apart = self._agreed(apart, len(groups))
        return list(groups.values()) if apart else [list(range(len(samples)))]

    def _agreed(self, apart: bool, groups: int) -> bool:
        """Whether any process has to keep its data sets apart: then all do."""
        most = torch.tensor([int(apart), groups, -groups], device=self.device)
        all_reduce(most, op="max")
        some, highest, lowest = int(most[0]), int(most[1]), -int(most[2])
        if some and highest != lowest:
            raise ValueError(
                f"one process has images of {lowest} data sets in this step, another of {highest}, "
                "and they cannot make one batch, as they differ in size or are to keep their own "
                "statistics. Let sampler=dict(type='TaskSampler') compose the steps, so that all "
                "processes take the same."
            )
        return bool(some)

    def _group(
        self, images: Sequence[Tensor], samples: Sequence[MultiTaskDataSample]
    ) -> tuple[Tensor, Samples]:
        height, width = (
            -(-max(image.shape[side] for image in images) // self.size_divisor) * self.size_divisor
            for side in (-2, -1)
        )
        if any(tuple(image.shape[-2:]) != (height, width) for image in images):
            images = [pad(i, (0, width - i.shape[-1], 0, height - i.shape[-2])) for i in images]
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        batch = stack_images(images).to(self.device, non_blocking=self._non_blocking)
        batch = batch.to(torch.float32, memory_format=layout).div_(255)
        ready = []
        for sample in samples:
            # On a CPU it would only copy every structure: for small images a tenth of a step.
            moved: Any = sample
            if self.device.type != "cpu":
                moved = sample.to(self.device, non_blocking=self._non_blocking)
            for part in (moved, *(moved.task(name) for name in moved.keys())):  # noqa: SIM118
                part.set_metainfo(
                    {"batch_input_shape": (height, width), "pad_shape": (height, width)}
                )
            ready.append(moved)
        return batch, ready
