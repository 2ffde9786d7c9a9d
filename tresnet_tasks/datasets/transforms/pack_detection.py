"""From a transformed sample with boxes to what a detector gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...registry import TRANSFORMS
from ...upstream.opencv import cv2
from ..jpeg_pixels import RGBImage
from .pack import checked_pixels

_FIELDS = {"gt_bboxes": "bboxes", "gt_bboxes_labels": "labels", "gt_masks": "masks"}


@TRANSFORMS.register_module()
class PackDetSample:
    """Turn ``results`` into ``dict(inputs=(3, H, W) uint8 tensor, data_samples=DetDataSample)``.

    The tensor is contiguous: mmdet's preprocessors leave images in the layout that they come in.

    As mmdet's ``PackDetInputs``, which serves as well, with what our data flow adds: the image is
    checked, ``sample_idx`` and ``instances`` (what the reader says, in pixels of the whole image)
    are kept for the metric.

    ``gt_instances`` of the sample holds ``bboxes``, ``labels`` and, where loaded, ``masks``;
    ``ignored_instances`` those marked to be ignored. ``scale_factor`` and ``flip``, which detectors
    need to place boxes in the whole image again, follow from the sizes where no transform has set
    them: that is right after a resize, not after a crop or padding at the upper left.

    Args:
        meta_keys: what to keep of ``results`` as metainfo, where present.

    Raises:
        ValueError: if the image is not (H, W, 3) uint8.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = (
            *("img_id", "img_path", "sample_idx", "ori_shape", "img_shape", "scale_factor"),
            *("flip", "flip_direction", "instances"),
        ),
    ) -> None:
        # Here, as mmdet takes a second to import and classification does without it.
        from mmdet.structures import DetDataSample
        from mmengine.structures import InstanceData

        self.meta_keys = tuple(meta_keys)
        self._sample_type = DetDataSample
        self._instances_type = InstanceData

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack one sample."""
        inputs = _planes(checked_pixels(results))
        return {"inputs": inputs, "data_samples": self.data_sample(results)}

    def data_sample(self, results: dict[str, Any]) -> Any:
        """The ``DetDataSample`` alone."""
        sample = self._sample_type(metainfo=self._metainfo(results))
        ignored = np.asarray(results.get("gt_ignore_flags", ()), dtype=bool)
        for name, chosen in (("gt_instances", ~ignored), ("ignored_instances", ignored)):
            instances = self._instances_type()
            for key, field in _FIELDS.items():
                if key in results:
                    value = results[key][chosen] if "gt_ignore_flags" in results else results[key]
                    instances[field] = (
                        torch.from_numpy(value) if isinstance(value, np.ndarray) else value
                    )
            setattr(sample, name, instances)
        return sample

    def _metainfo(self, results: dict[str, Any]) -> dict[str, Any]:
        height, width = results["img_shape"]
        full_height, full_width = results.get("ori_shape", (height, width))
        known = {
            "scale_factor": (width / full_width, height / full_height),
            "flip": False,
            "flip_direction": None,
            **results,
        }
        return {key: known[key] for key in self.meta_keys if key in known}

    def __repr__(self) -> str:
        return f"PackDetSample(meta_keys={self.meta_keys})"


def _planes(image: RGBImage) -> torch.Tensor:
    """(H, W, 3) -> (3, H, W), contiguous."""
    planes = np.empty((3, *image.shape[:2]), dtype=np.uint8)
    # A fifth of the time that NumPy or torch take to reorder the axes.
    cv2.split(image, list(planes))
    return torch.from_numpy(planes)
