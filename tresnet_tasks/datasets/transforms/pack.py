"""From a transformed sample to what the model gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...registry import TRANSFORMS
from ...structures import ClsDataSample
from ..jpeg_pixels import RGBImage


@TRANSFORMS.register_module()
class PackClsInputs:
    """Turn ``results`` into ``dict(inputs=(3, H, W) uint8 tensor, data_samples=ClsDataSample)``.

    ``gt_label`` (an id or several) and ``gt_score`` ((C,) soft or multi-hot) become fields of the
    sample where they are present. The image stays uint8: it is divided by 255 on the device.

    Args:
        meta_keys: what to keep of ``results`` as metainfo, where present.
        labels: False leaves ``gt_label`` and ``gt_score`` out: an unlabelled image, for a teacher
            to tell.

    Raises:
        ValueError: if the image is not (H, W, 3) uint8.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = ("img_path", "ori_shape", "img_shape", "sample_idx"),
        labels: bool = True,
    ) -> None:
        self.meta_keys = tuple(meta_keys)
        self.labels = labels

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack one sample."""
        inputs = image_tensor(results)
        sample = ClsDataSample()
        for key in self.meta_keys:
            if key in results:
                sample.set_field(results[key], key, field_type="metainfo")
        if self.labels and "gt_label" in results:
            sample.set_gt_label(results["gt_label"])
        if self.labels and "gt_score" in results:
            sample.set_gt_score(torch.as_tensor(results["gt_score"], dtype=torch.float32))
        return {"inputs": inputs, "data_samples": sample}

    def __repr__(self) -> str:
        return f"PackClsInputs(meta_keys={self.meta_keys}, labels={self.labels})"


def image_tensor(results: dict[str, Any]) -> torch.Tensor:
    """``checked_pixels`` as a tensor.

    Returns:
        (3, H, W) uint8, a view of (H, W, 3) in memory: reordering the bytes would take longer than
        anything else here, and nothing on the way to the device needs it.
    """
    image = checked_pixels(results)
    # A part of a larger array, or one that a reader keeps and must not share.
    owned = image.flags.c_contiguous and image.flags.owndata and image.flags.writeable
    pixels = image if owned else np.array(image, order="C")
    return torch.from_numpy(pixels.transpose(2, 0, 1))


def checked_pixels(results: dict[str, Any]) -> RGBImage:
    """``results['img']``, its size noted as ``img_shape``.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: if the image is not (H, W, 3) uint8.
    """
    image = results["img"]
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] != 3
    ):
        shape, dtype = (
            getattr(image, "shape", ()),
            getattr(image, "dtype", type(image).__name__),
        )
        raise ValueError(
            f"image {results.get('img_path')} is {tuple(shape)} {dtype} after the transforms; "
            "expected (height, width, 3) uint8. "
            "Remove transforms that normalise, convert to float or to tensors: that is done on "
            "the device."
        )
    results["img_shape"] = image.shape[:2]
    return image
