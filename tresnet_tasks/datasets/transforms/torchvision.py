"""torchvision's transforms (v2), from configs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import torch

from ...registry import TRANSFORMS
from ..nearest_name import nearest_name
from .checked_arguments import check_arguments


@TRANSFORMS.register_module()
class TorchVision:
    """One transform of ``torchvision.transforms.v2``, applied to ``results['img']``.

    ``TorchVision('RandAugment', num_ops=2, magnitude=9)``, ``AutoAugment``, ``TrivialAugmentWide``,
    ``RandomErasing``, ... It is given a (3, H, W) uint8 tensor.

    Args:
        name: the class.
        kwargs: its arguments; ``interpolation`` and ``policy`` may be written as ``'bilinear'``,
            ``'imagenet'``. ``RandomErasing(value='random')`` fills with uniform noise:
            torchvision's normal noise is made for normalised images and would be nearly black in
            uint8.

    Raises:
        ValueError: for an unknown transform or argument, with the nearest right name, or a bad
            value; for a sample with boxes, which a transform of its geometry would leave behind.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        library = import_module("torchvision.transforms.v2")
        known = [
            key
            for key, value in vars(library).items()
            if isinstance(value, type) and issubclass(value, library.Transform)
        ]
        if name not in known:
            raise ValueError(
                f"torchvision.transforms.v2 has no transform {name!r}. {nearest_name(name, known)}"
            )
        transform = getattr(library, name)
        check_arguments(transform, kwargs, f"torchvision's {name}")
        enums = {
            "interpolation": library.InterpolationMode,
            "policy": library.AutoAugmentPolicy,
        }
        self.name = name
        self._moves_pixels = transform.__module__.endswith(("_geometry", "_auto_augment"))
        self._noise = name == "RandomErasing" and kwargs.get("value") == "random"
        try:
            kwargs = {
                key: enums[key](value) if key in enums and isinstance(value, str) else value
                for key, value in kwargs.items()
            }
            self.transform = transform(**kwargs)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"torchvision's {name} refuses its arguments {kwargs}: {error}"
            ) from error

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Apply the transform."""
        if self._moves_pixels and "gt_bboxes" in results:
            raise ValueError(
                f"TorchVision({self.name!r}) moves the pixels, but not the boxes, of "
                f"{results.get('img_path')}. Use Albumentations or mmdet's transforms for images "
                "with boxes."
            )
        image = torch.from_numpy(np.ascontiguousarray(results["img"])).permute(2, 0, 1)
        image = self._erase(image) if self._noise else self.transform(image)
        results["img"] = image.permute(1, 2, 0).contiguous().numpy()
        return results

    def _erase(self, image: torch.Tensor) -> torch.Tensor:
        """Random erasing with uniform noise, where torchvision chooses to erase and where."""
        if torch.rand(1) >= self.transform.p:
            return image
        box = self.transform.make_params([image])
        if box["v"] is None:  # no rectangle of this shape fits
            return image
        noise = torch.randint(0, 256, box["v"].shape, dtype=torch.uint8)
        image = image.clone()
        image[:, box["i"] : box["i"] + box["h"], box["j"] : box["j"] + box["w"]] = noise
        return image

    def __repr__(self) -> str:
        return f"TorchVision({self.name!r})"
