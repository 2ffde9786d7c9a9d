"""Mixup and CutMix on a whole batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2

_MIXES = {"MixUp": v2.MixUp, "CutMix": v2.CutMix}


class BatchMix:
    """Mix each image of a batch with another one, by a method drawn anew for each batch.

    Args:
        mixes: configs such as ``dict(type='MixUp', alpha=0.2)`` (arXiv 1710.09412) and
            ``dict(type='CutMix', alpha=1.0)`` (arXiv 1905.04899), drawn with equal probability.
        num_classes: number of classes C.
        prob: probability in [0, 1] of mixing a batch at all.

    Raises:
        ValueError: for an unknown type or argument, or a probability out of range.
    """

    def __init__(
        self, mixes: Sequence[Mapping[str, Any]], num_classes: int, prob: float = 1.0
    ) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f"mix_prob={prob}; expected a probability in [0, 1].")
        self.prob = prob
        self.num_classes = num_classes
        self.mixes = [self._build(mix) for mix in mixes]

    def __call__(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch.

        Args:
            images: (N, 3, H, W) float.
            targets: (N,) int64 class ids; -1 for an image without a label.

        Returns:
            Images of the same shape, and (N, C) float targets, each row summing to 1; -1 in all of
            a row that an image without a label has a share in.
        """
        # They have a column of their own, which tells their shares.
        ids = targets.where(targets >= 0, self.num_classes)
        if not self.mixes or torch.rand(()).item() >= self.prob:
            mixed = torch.nn.functional.one_hot(ids, self.num_classes + 1).float()
        else:
            mix = self.mixes[int(torch.randint(len(self.mixes), ()))]
            images, mixed = mix(images, ids)
        return images, mixed[:, :-1].masked_fill(mixed[:, -1:] > 0, -1)

    def _build(self, mix: Mapping[str, Any]) -> v2.Transform:
        kind = mix.get("type")
        if kind not in _MIXES:
            near = get_close_matches(str(kind), _MIXES, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"mix {kind!r} is unknown; expected one of {list(_MIXES)}.{hint}")
        unknown = sorted(set(mix) - {"type", "alpha"})
        if unknown:
            raise ValueError(
                f"mix {kind} has no argument {unknown[0]!r}; the one it takes is 'alpha'."
            )
        return _MIXES[kind](alpha=mix.get("alpha", 1.0), num_classes=self.num_classes + 1)
