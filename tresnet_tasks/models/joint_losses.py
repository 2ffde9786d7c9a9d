"""The losses of several heads over one batch, of which each image has labels for some."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor

from ..heads.step_loss import is_sum
from ..structures import MultiTaskDataSample

Samples = Sequence[MultiTaskDataSample]
Feats = tuple[Tensor, ...]
Extract = Callable[[Tensor], Mapping[str, Feats]]


def joint_losses(
    heads: Mapping[str, Any],
    groups: Sequence[tuple[Tensor, Samples]],
    extract_feats: Extract,
    weights: Mapping[str, float],
) -> dict[str, Tensor]:
    """The losses of all heads, each over the images that have labels for it.

    With several processes, each must have as many groups as the others, in the same order: a head
    takes part in every group on every process, as mmdet's losses count their objects over all.

    Args:
        heads: those that train, by name.
        groups: images (N, 3, H, W) of one size, and their samples.
        extract_feats: gives the feature maps that each head reads.
        weights: factor of each head's losses.

    Returns:
        ``HEAD.loss...`` and ``HEAD.images``, the number of images of all processes that it had.
    """
    names = list(heads)
    counts = [[sum(s.labelled(name) for s in samples) for name in names] for _, samples in groups]
    here = torch.tensor(counts, dtype=torch.float32, device=groups[0][0].device)
    everywhere = here.sum(0)
    if get_world_size() > 1:
        all_reduce(everywhere)
    terms: dict[str, Tensor] = {}
    for group, (images, samples) in enumerate(groups):
        feats = extract_feats(images)
        for position, (name, head) in enumerate(heads.items()):
            if _has_no_part(group, position, counts):
                continue
            count = here[group, position]
            # Processes average their gradients; mmdet's losses do the same with their counts.
            share = count * get_world_size() / everywhere[position].clamp(min=1)
            for key, value in _head_losses(head, feats[name], name, samples).items():
                scaled = value * _share(head, share, count)
                if "loss" in key:
                    scaled = scaled * weights[name]
                key = f"{name}.{key}"
                terms[key] = terms[key] + scaled if key in terms else scaled
    for position, name in enumerate(names):
        terms[f"{name}.images"] = everywhere[position]
    return terms


def total_loss(losses: Mapping[str, Any], prefix: str = "") -> Tensor:
    """The sum of what is a loss among those of a prefix: what has the word in its name, as mmengine
    has it.

    Args:
        losses: tensors, or lists of them, one a level, as mmdet returns them.
        prefix: of the names.
    """
    found = [v for k, v in losses.items() if "loss" in k and k.startswith(prefix)]
    return torch.stack([_mean(value) for value in found]).sum()


def labelled_images(feats: Feats, name: str, samples: Samples) -> tuple[Feats, list[Any]]:
    """Feature maps and sub-samples of the images that have labels for a head.

    Args:
        feats: of all images, what the head reads.
        name: of the head.
        samples: of all images.
    """
    chosen = [i for i, sample in enumerate(samples) if sample.labelled(name)]
    return _select(feats, chosen, len(samples)), [samples[i].task(name) for i in chosen]


def _select(feats: Feats, chosen: Sequence[int], number: int) -> Feats:
    if len(chosen) == number:
        return feats
    index = torch.tensor(chosen, dtype=torch.int64, device=feats[0].device)
    return tuple(feat.index_select(0, index) for feat in feats)


def _has_no_part(group: int, position: int, counts: Sequence[Sequence[int]]) -> bool:
    """Whether a head can be left out of a group that has no labels for it.

    With several processes another one may have some there, and a head without any still gets a
    gradient of zeros, once.
    """
    if counts[group][position] or get_world_size() > 1:
        return False
    return group > 0 or any(row[position] for row in counts)


def _head_losses(head: Any, feats: Feats, name: str, samples: Samples) -> dict[str, Tensor]:
    """A head's losses over the images that have labels for it, each one number."""
    chosen, targets = labelled_images(feats, name, samples)
    if not targets:
        # Another process may have labels: all take part in the same reductions. What comes out
        # counts nothing.
        chosen = _select(feats, [0], len(samples))
        if not hasattr(head, "stand_in"):
            return {"loss": head(chosen).sum()}
        targets = [head.stand_in(samples[0].metainfo, feats[0])]
    return {key: _mean(value) for key, value in head.loss(chosen, targets).items()}


def _mean(value: Tensor | Sequence[Tensor]) -> Tensor:
    if isinstance(value, Tensor):
        return value.mean()
    return torch.stack([part.mean() for part in value]).sum()  # one part a level


def _share(head: Any, share: Tensor, count: Tensor) -> Tensor:
    """What a group's loss counts in the batch's: by its images where it is a mean."""
    if getattr(head, "counts_objects", False):
        return (count > 0).float()
    task = getattr(head, "task", None)
    return (count > 0).float() if is_sum(getattr(task, "loss_module", None)) else share
