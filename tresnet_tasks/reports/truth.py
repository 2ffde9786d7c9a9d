"""What is known of an image, drawn as a prediction would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..structures import MultiTaskDataSample
from .detections import DrawnDetections
from .joint import DrawnJoint
from .predictions import DrawnPrediction

_SIDE = 520  # pixels; no picture shows more
_MOST = 9  # labels beside an image
Label = tuple[str, float | None, int]  # name, share if it is not the whole, id


def drawn_truth(
    image: NDArray[np.uint8], sample: Any, metainfo: Mapping[str, Any], title: str = ""
) -> DrawnPrediction | DrawnDetections | DrawnJoint:
    """Describe an image with its labels, tags or boxes for the drawing functions.

    Args:
        image: (H, W, 3) uint8 RGB, as a model gets it.
        sample: the data sample that comes with it: a ``ClsDataSample``, a ``MultiTaskDataSample`` or
            mmdet's ``DetDataSample``, whose boxes are in pixels of ``image``. One without boxes, as
            test pipelines make it, may say in its ``instances`` what is on the whole image.
        metainfo: of the data set: ``classes``, or ``tasks`` with those of each head.
        title: stands above the image.
    """
    if isinstance(sample, MultiTaskDataSample):
        return _joint(image, sample, metainfo["tasks"], title)
    if "gt_instances" in sample:
        return _boxes(image, sample, metainfo["classes"], title)
    found, unknown = _labels(sample, metainfo["classes"])
    title = f"{title} · {unknown} unknown" if unknown else title
    names, shares, ids = zip(*(found or [("no label", None, 0)]), strict=True)
    return DrawnPrediction(image, names, shares, labels=ids, title=title, chosen=len(found))


def _joint(
    image: NDArray[np.uint8], sample: MultiTaskDataSample, tasks: Mapping[str, Any], title: str
) -> DrawnJoint:
    picture = DrawnDetections(image, np.zeros((0, 4), np.float32), [], None, [], title=title)
    labels: dict[str, list[tuple[str, float | None, bool]]] = {}
    for head, info in tasks.items():
        part: Any = sample.task(head)
        if not sample.labelled(head):
            labels[head] = [("not labelled", None, False)]
        elif "gt_instances" in part:
            picture = _boxes(image, part, info["classes"], title)
        else:
            found = _labels(part, info["classes"])[0]
            labels[head] = [(n, s, True) for n, s, _ in found] or [("no label", None, False)]
    return DrawnJoint(picture, labels)


def _labels(sample: Any, classes: Sequence[str]) -> tuple[list[Label], int]:
    """The classes that hold, the largest share first, and of how many it is not known."""
    if "gt_score" not in sample:
        held = sample.get("gt_label")
        return [(classes[i], None, i) for i in ([] if held is None else held.tolist())], 0
    scores = sample.gt_score.cpu()
    order = scores.argsort(descending=True, stable=True)[: int((scores > 0).sum())].tolist()
    shares = [None if scores[i] == 1 else float(scores[i]) for i in order]
    found: list[Label] = [(classes[i], s, i) for i, s in zip(order, shares, strict=True)]
    if len(found) > _MOST:
        found[_MOST - 1 :] = [(f"and {len(found) - _MOST + 1} more", None, -1)]
    return found, int((scores < 0).sum())


def _boxes(
    image: NDArray[np.uint8], sample: Any, classes: Sequence[str], title: str
) -> DrawnDetections:
    from PIL import Image

    height, width = image.shape[:2]
    boxes, labels, ignored, masks = _instances(sample, (height, width))
    names = [f"{classes[i]}{' (ignored)' * bool(j)}" for i, j in zip(labels, ignored, strict=True)]
    scale = min(1.0, _SIDE / max(height, width))
    small = Image.fromarray(image)
    small.thumbnail((_SIDE, _SIDE))
    return DrawnDetections(np.asarray(small), boxes * scale, names, None, labels, masks, title)


def _instances(
    sample: Any, size: tuple[int, int]
) -> tuple[NDArray[np.float32], list[int], list[bool], NDArray[np.uint8] | None]:
    """Boxes in pixels of the image, their labels, whether to be ignored, and masks of its size."""
    boxes: list[Any] = [np.zeros((0, 4), np.float32)]
    labels: list[int] = []
    ignored: list[bool] = []
    masks = []
    for part, ignore in ((sample.gt_instances, False), (sample.get("ignored_instances"), True)):
        if part is None or "bboxes" not in part:
            continue
        boxes.append(np.asarray(getattr(part.bboxes, "tensor", part.bboxes).cpu(), np.float32))
        labels += part.labels.tolist()
        ignored += [ignore] * len(part.labels)
        if "masks" in part:
            masks.append(part.masks.pad(size).to_ndarray())
    if len(boxes) == 1:  # not loaded
        known = sample.metainfo.get("instances") or ()
        factors = np.tile(sample.metainfo.get("scale_factor", (1.0, 1.0)), 2).astype(np.float32)
        boxes += [np.asarray(one["bbox"], np.float32)[None] * factors for one in known]
        labels = [one["bbox_label"] for one in known]
        ignored = [bool(one.get("ignore_flag")) for one in known]
    drawn = np.concatenate(masks) if masks else None
    return np.concatenate(boxes), labels, ignored, drawn
