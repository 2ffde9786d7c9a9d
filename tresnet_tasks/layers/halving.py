"""Down-sampling of both axes as two products of matrices."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Down = Callable[[Tensor], Tensor]


def halves_by_matrices(x: Tensor) -> bool:
    """Whether ``halve`` is the fast way for (N, C, H, W).

    It is on a CPU in contiguous layout, where torch's depthwise convolution and pooling take two to
    four times as long. In half precision it would round once more.
    """
    single = x.dtype in (torch.float32, torch.float64)
    return x.is_cpu and single and x.is_contiguous() and not torch.compiler.is_compiling()


def halve(x: Tensor, down: Down) -> Tensor:
    """Apply a linear map to every column and every row of (N, C, H, W).

    Args:
        x: the images.
        down: the map, (R, n) -> (R, ceil(n / 2)), of each row by itself.

    Returns:
        (N, C, ceil(H / 2), ceil(W / 2)).
    """
    of_height, of_width = _matrices(x.shape, x, down)
    return of_height.mT @ (x @ of_width)


def halve_backward(grad: Tensor, shape: torch.Size, down: Down) -> Tensor:
    """The gradient of the input of ``halve``, which had this shape."""
    of_height, of_width = _matrices(shape, grad, down)
    return of_height @ (grad @ of_width.mT)


def _matrices(shape: torch.Size, like: Tensor, down: Down) -> tuple[Tensor, Tensor]:
    """What ``down`` does to a row of each length: (H, ceil(H / 2)) and (W, ceil(W / 2))."""
    height, width = (down(torch.eye(n, dtype=like.dtype)) for n in shape[2:])
    return height, width
