"""The two halves of ``MaskedConv2d``: plain torch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from .precision import operator


@operator
def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    *,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Copy the windows of chosen cells into the columns of ``col``.

    Args:
        im: (1, C, H, W).
        mask_h_idx: (M,) int64, the rows of the windows' places in the output.
        mask_w_idx: (M,) int64, their columns.
        col: (C * kernel_h * kernel_w, M).
        kernel_h: rows of a window.
        kernel_w: columns of a window.
        pad_h: zeros above and below.
        pad_w: zeros left and right.

    Memory: a padded copy of ``im``.
    """
    # More than asked for on the far side: a window may begin at any cell of the map.
    padded = functional.pad(im[0], (pad_w, pad_w + kernel_w, pad_h, pad_h + kernel_h))
    windows = col.view(len(padded), kernel_h * kernel_w, -1)
    for row in range(kernel_h):
        for column in range(kernel_w):
            windows[:, row * kernel_w + column] = padded[:, mask_h_idx + row, mask_w_idx + column]


@operator
def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    *,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Put the columns of ``col`` (C, M) at chosen cells of ``im`` (1, C, H', W').

    Args: see `masked_im2col_forward`. The other cells stay as they are. Memory: none.
    """
    im[0][:, mask_h_idx, mask_w_idx] = col.to(im.dtype)
