"""From a collated batch to what the backbone takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ..datasets.stacking import stack_images
from ..registry import MODELS
from ..structures import ClsDataSample
from .batch_mix import BatchMix


@MODELS.register_module()
class Preprocessor(BaseDataPreprocessor):
    """Move a batch of uint8 images to the device, scale it to [0, 1] and mix it.

    TResNet takes RGB divided by 255, without mean and standard deviation. Labels stay where they
    are: a head moves all of them at once.

    Args:
        mixes: batch augmentations while training, see :class:`BatchMix`.
        mix_prob: probability of mixing a batch.
        num_classes: number of classes, needed by ``mixes``; in configs it may be left out and comes
            from the data set.
        channels_last: whether images leave in the channels_last memory format.
        non_blocking: whether copying from pinned memory may overlap with computation.
    """

    # The names below this argument are BatchMix's, not a registry's.
    foreign_config = ("mixes",)

    def __init__(
        self,
        mixes: Sequence[Mapping[str, Any]] = (),
        mix_prob: float = 1.0,
        num_classes: int | None = None,
        channels_last: bool = False,
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking)
        if mixes and num_classes is None:
            raise ValueError("Preprocessor got mixes without num_classes; set num_classes as well.")
        self.mix = BatchMix(mixes, num_classes, mix_prob) if mixes and num_classes else None
        self.channels_last = channels_last

    def forward(self, data: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        """Prepare a batch.

        Args:
            data: ``inputs``, uint8 (N, 3, H, W) or a list of N (3, H, W) of one size;
                ``data_samples``, or None.
            training: whether to mix.

        Returns:
            ``inputs``: float32 (N, 3, H, W) in [0, 1]; ``data_samples``, with ``gt_score`` if
            mixed, or without labels if mixed with an unlabelled image.

        Raises:
            ValueError: if the images of the batch differ in size or are not uint8, or if images to
                mix have several labels, or one not from 0 to num_classes - 1.
        """
        inputs = self._stack(data["inputs"])
        if inputs.dtype != torch.uint8:
            raise ValueError(
                f"the images of a batch are {inputs.dtype}; expected uint8 in [0, 255], which "
                "is divided by 255 here. Leave normalisation and conversion to float out of the "
                "pipeline."
            )
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        inputs = inputs.to(self.device, non_blocking=self._non_blocking)
        inputs = inputs.to(torch.float32, memory_format=layout).div_(255)
        samples = data.get("data_samples")
        if training and self.mix is not None and samples is not None:
            labels = self._labels(samples, self.mix)
            known = bool((labels >= 0).all())
            # What comes out is looked at only where that does not wait for the device.
            inputs, scores = self.mix(inputs, labels.to(self.device) if known else labels)
            samples = [
                sample.set_gt_score(score)
                if known or score[0] >= 0
                else ClsDataSample(metainfo=sample.metainfo)
                for sample, score in zip(samples, scores, strict=True)
            ]
            inputs = inputs.contiguous(memory_format=layout)
        return {"inputs": inputs, "data_samples": samples}

    @staticmethod
    def _labels(samples: Sequence[ClsDataSample], mix: BatchMix) -> Tensor:
        """(N,) class ids, -1 for an unlabelled image."""
        given = [sample.gt_label for sample in samples if "gt_label" in sample]
        labels = torch.cat(given or [torch.zeros(0, dtype=torch.int64)])
        if any(len(label) != 1 for label in given):
            raise ValueError(
                f"{len(given)} images to mix have {len(labels)} labels; MixUp and CutMix expect "
                "one each. Leave out 'mixes' for multi-label data."
            )
        if len(labels) and (labels.min() < 0 or labels.max() >= mix.num_classes):
            raise ValueError(
                f"labels run from {labels.min()} to {labels.max()} but the data preprocessor has "
                f"num_classes={mix.num_classes}. Set num_classes, or leave it out and it is taken "
                "from the data set."
            )
        if len(given) == len(samples):
            return labels
        unlabelled = torch.tensor([-1])
        return torch.cat([sample.get("gt_label", unlabelled) for sample in samples])

    @staticmethod
    def _stack(inputs: Tensor | Sequence[Tensor]) -> Tensor:
        if isinstance(inputs, Tensor):
            return inputs
        sizes = sorted({tuple(image.shape[-2:]) for image in inputs})
        if len(sizes) > 1:
            raise ValueError(
                f"the images of a batch have the sizes {sizes[:4]} (height, width); expected one "
                "size. End the pipeline with a Resize or a crop of fixed size."
            )
        return stack_images(inputs)
