"""The blur at stride 2 inside Triton kernels: see ``blur.py`` for what it computes.

In one dimension, with weights [1, 2, 1] / 4 and reflection, output o reads 2 o - 1, 2 o, 2 o + 1.
So an input at an even place 2 o is read by o alone, one at an odd place 2 o + 1 by o and o + 1;
the second to last twice by its neighbour if that is the last, the second twice by the first.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .tiles_triton import load_tile, offsets_of


@triton.jit
def reflected(at, size):  # type: ignore[no-untyped-def]
    """The place of ``at`` in a row of ``size``, where it may be one beside either end."""
    at = tl.where(at < 0, -at, at)
    return tl.where(at >= size, 2 * size - 2 - at, at)


@triton.jit
def readers(at, size):  # type: ignore[no-untyped-def]
    """The outputs that read place ``at`` of a row of ``size``, two, and their weights.

    A weight is 0 where there is no such output.
    """
    odd = at % 2 == 1
    of_after = tl.where(at == size - 2, 0.5, tl.where(at == size - 1, 0.0, 0.25))
    of_before = tl.where(at == 1, 0.5, 0.25)
    return (at + 1) // 2, tl.where(odd, of_after, 0.5), at // 2, tl.where(odd, of_before, 0.0)


@triton.jit
def weight_read(rows, height, width):  # type: ignore[no-untyped-def]
    """(ROWS, 1), the weight with which all outputs together read each position."""
    _, above, _, below = readers(rows // width, height)
    _, left, _, right = readers(rows % width, width)
    return ((above + below) * (left + right))[:, None]


@triton.jit
def _weighted(  # type: ignore[no-untyped-def]
    grad, image, y, x, weight, cols, inside, height, width, channels, LAST: tl.constexpr
):
    offsets = offsets_of(image, y * width + x, cols, height * width, channels, LAST)
    return load_tile(grad, offsets, inside & (weight > 0)[:, None]) * weight[:, None]


@triton.jit
def load_transposed(  # type: ignore[no-untyped-def]
    grad, image, rows, cols, inside, height, width, channels, LAST: tl.constexpr
):
    """The transposed blur of ``grad`` at positions ``rows`` of an image of (height, width)."""
    y1, of_y1, y2, of_y2 = readers(rows // width, height)
    x1, of_x1, x2, of_x2 = readers(rows % width, width)
    h, w = (height + 1) // 2, (width + 1) // 2
    out = _weighted(grad, image, y1, x1, of_y1 * of_x1, cols, inside, h, w, channels, LAST)
    out += _weighted(grad, image, y1, x2, of_y1 * of_x2, cols, inside, h, w, channels, LAST)
    out += _weighted(grad, image, y2, x1, of_y2 * of_x1, cols, inside, h, w, channels, LAST)
    out += _weighted(grad, image, y2, x2, of_y2 * of_x2, cols, inside, h, w, channels, LAST)
    return out
