"""From images of one size to a batch, without reordering a byte."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def stack_images(images: Sequence[Tensor]) -> Tensor:
    """Stack N images (3, H, W) of one size into (N, 3, H, W).

    An image file holds the channels of a pixel side by side, and packing leaves them there. So does
    this: the batch is in channels_last where all images are, else contiguous. Reordering is left to
    the conversion to float on the device, which writes either order in the same time.
    """
    pixels = [image.permute(1, 2, 0) for image in images]
    if all(image.is_contiguous() for image in pixels):
        return torch.stack(pixels).permute(0, 3, 1, 2)
    return torch.stack(list(images))
