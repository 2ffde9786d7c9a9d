"""The loss of one of mmdet's detectors, or of its heads, in evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ..upstream.mmdet_reductions import own_objects_only


@contextmanager
def evaluated_loss(detector: nn.Module) -> Iterator[None]:
    """Let a detector in evaluation compute its loss, while the context lasts.

    Some heads put out other numbers when they do not train (FCOS: distances in pixels instead of
    strides), which do not fit their loss. So what has a ``loss`` acts as in training; layers
    below, normalisation and dropout among them, stay in evaluation. Each process counts its own
    objects: the loss of a batch does not depend on what others have.
    """
    waked = [m for m in detector.modules() if not m.training and _tells_loss(m)]
    for module in waked:
        module.training = True
    try:
        with own_objects_only():
            yield
    finally:
        for module in waked:
            module.training = False


def check_box_scale(samples: Sequence[Any]) -> None:
    """Refuse samples whose boxes were not loaded, or loaded behind a resize.

    Args:
        samples: mmdet ``DetDataSample`` whose ``gt_instances`` a loss is to be computed from.

    Raises:
        ValueError: naming the image and what to change in the pipeline.
    """
    for sample in samples:
        boxes = sample.gt_instances.get("bboxes")
        if boxes is None:
            raise ValueError(
                f"{sample.get('img_path')} has no boxes to compute a loss from. Put "
                "dict(type='LoadAnnotations') behind LoadImage in the validation pipeline, or take "
                "the loss out of the validation."
            )
        annotated = [i["bbox"] for i in sample.get("instances") or () if not i["ignore_flag"]]
        found = torch.as_tensor(getattr(boxes, "tensor", boxes)).cpu()
        scale = sample.get("scale_factor", (1.0, 1.0))
        resized = max(abs(s - 1) for s in scale) > 0.01
        comparable = resized and len(annotated) == len(found) > 0
        if comparable and torch.allclose(found, torch.tensor(annotated).to(found), atol=0.01):
            raise ValueError(
                f"the boxes of {sample.get('img_path')} are those of the whole image, but it was "
                f"resized by {scale}. Put LoadAnnotations before Resize in the validation "
                "pipeline; DetectionMetric needs no other order."
            )


def _tells_loss(module: nn.Module) -> bool:
    # Losses themselves are no such modules: their loss is called forward.
    return callable(getattr(module, "loss", None)) and callable(getattr(module, "predict", None))
