"""From a transformed image with labels for several heads to what the model gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...registry import TRANSFORMS
from ...structures import ClsDataSample, MultiTaskDataSample
from .pack import image_tensor
from .pack_detection import PackDetSample


@TRANSFORMS.register_module()
class PackTasks:
    """Turn the ``results`` of a ``JointDataset`` into ``dict(inputs=(3, H, W) uint8 tensor,
    data_samples=MultiTaskDataSample)``.

    Args:
        meta_keys: what to keep of ``results`` as metainfo, where present.

    Raises:
        ValueError: if the image is not (H, W, 3) uint8, or boxes have not been loaded.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = (
            *("img_path", "img_id", "sample_idx", "ori_shape", "img_shape"),
            *("scale_factor", "flip", "flip_direction"),
        ),
    ) -> None:
        self.meta_keys = tuple(meta_keys)
        self._boxes: PackDetSample | None = None  # imports mmdet: made when a head asks for it

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack one sample."""
        tasks = results.pop("tasks", {})  # none when images are predicted
        if not tasks and {"gt_label", "gt_score"} & set(results):
            raise ValueError(
                "PackTasks got labels that are of no head. It ends the pipeline of a JointDataset; "
                "elsewhere use PackClsInputs or mmdet's PackDetInputs."
            )
        inputs = image_tensor(results)
        height, width = results["img_shape"]
        full_height, full_width = results.get("ori_shape", (height, width))
        # mmdet divides predicted boxes by it
        results.setdefault("scale_factor", (width / full_width, height / full_height))
        metainfo = {key: results[key] for key in self.meta_keys if key in results}
        sample = MultiTaskDataSample(metainfo=metainfo)
        for head, labels in tasks.items():
            if labels["task"] == "detection":
                sample.set_task(head, self._detection(results))
                continue
            part = ClsDataSample(metainfo=metainfo)
            if "gt_label" in labels:
                part.set_gt_label(labels["gt_label"])
            if "gt_score" in labels:
                part.set_gt_score(torch.as_tensor(labels["gt_score"], dtype=torch.float32))
            sample.set_task(head, part)
        return {"inputs": inputs, "data_samples": sample}

    def _detection(self, results: dict[str, Any]) -> Any:
        if "gt_bboxes" not in results:
            raise ValueError(
                "PackTasks got no gt_bboxes for a detection head. Put "
                "dict(type='LoadAnnotations', with_bbox=True) behind LoadImage."
            )
        if self._boxes is None:
            self._boxes = PackDetSample((*self.meta_keys, "instances"))
        return self._boxes.data_sample(results)

    def __repr__(self) -> str:
        return f"PackTasks(meta_keys={self.meta_keys})"
