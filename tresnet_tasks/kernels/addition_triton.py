"""The Triton kernels of ``addition.py``.

A flag says at compile time whether the shortcut has a normalisation of its own, and whether one
depends on its batch.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .norm import InputGradient, Norm
from .tiles_triton import (
    laid_out,
    load_tile,
    load_vector,
    memory_format,
    offsets_of,
    on_device_of,
    sum_rows,
    tile_of,
    tiling,
    vectors,
)


@triton.jit
def _load_normed(  # type: ignore[no-untyped-def]
    x, offsets, inside, weight, bias, mean, inv_std, cols, here
):
    centred = load_tile(x, offsets, inside) - load_vector(mean, cols, here)
    scale = load_vector(inv_std, cols, here) * load_vector(weight, cols, here)
    return centred * scale + load_vector(bias, cols, here)


@triton.jit
def _forward_kernel(  # type: ignore[no-untyped-def]
    x, shortcut, out, weight, bias, mean, inv_std, weight2, bias2, mean2, inv_std2, factor, area,
    channels, tiles, NORMED: tl.constexpr, FACTORED: tl.constexpr, LAST: tl.constexpr,
    ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    image, rows = tile_of(tl.program_id(0), tiles, ROWS)
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)
    here = cols < channels
    inside = (rows < area)[:, None] & here[None, :]
    offsets = offsets_of(image, rows, cols, area, channels, LAST)
    value = _load_normed(x, offsets, inside, weight, bias, mean, inv_std, cols, here)
    if FACTORED:
        value = value * load_vector(factor + image * channels, cols, here)
    if NORMED:
        value += _load_normed(
            shortcut, offsets, inside, weight2, bias2, mean2, inv_std2, cols, here
        )  # fmt: skip
    else:
        value += load_tile(shortcut, offsets, inside)
    value = tl.where(value <= 0, 0.0, value)  # what is not a number stays so
    tl.store(out + offsets, value.to(out.dtype.element_ty), inside)


@triton.jit
def _sums_kernel(  # type: ignore[no-untyped-def]
    grad, out, x, shortcut, sums, mean, mean2, area, channels, tiles, splits,
    NORMED: tl.constexpr, LAST: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    image = tl.program_id(0) // splits
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)
    here = cols < channels
    centre = load_vector(mean, cols, here)
    if NORMED:
        centre2 = load_vector(mean2, cols, here)
    of_x = tl.full((ROWS, COLS), 0.0, tl.float32)
    of_grad = tl.full((ROWS, COLS), 0.0, tl.float32)
    of_product = tl.full((ROWS, COLS), 0.0, tl.float32)
    of_product2 = tl.full((ROWS, COLS), 0.0, tl.float32)
    for tile in range(tl.program_id(0) % splits, tiles, splits):
        rows = tile * ROWS + tl.arange(0, ROWS)
        inside = (rows < area)[:, None] & here[None, :]
        offsets = offsets_of(image, rows, cols, area, channels, LAST)
        before = load_tile(grad, offsets, inside)
        before = tl.where(load_tile(out, offsets, inside) <= 0, 0.0, before)
        centred = tl.where(inside, load_tile(x, offsets, inside) - centre, 0.0)
        of_x += centred
        of_grad += before
        of_product += before * centred
        if NORMED:
            of_product2 += before * (load_tile(shortcut, offsets, inside) - centre2)
    place = sums + tl.program_id(0).to(tl.int64) * 4 * channels + cols
    tl.store(place, sum_rows(of_grad), here)
    tl.store(place + channels, sum_rows(of_product), here)
    tl.store(place + 2 * channels, sum_rows(of_x), here)
    tl.store(place + 3 * channels, sum_rows(of_product2), here)


@triton.jit
def _gradients_kernel(  # type: ignore[no-untyped-def]
    grad, out, x, shortcut, d_x, d_shortcut, of_grad, of_x, constant, mean, of_grad2, of_x2,
    constant2, mean2, area, channels, tiles, OF_BATCH: tl.constexpr, NORMED: tl.constexpr,
    OF_BATCH2: tl.constexpr, LAST: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    image, rows = tile_of(tl.program_id(0), tiles, ROWS)
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)
    here = cols < channels
    inside = (rows < area)[:, None] & here[None, :]
    offsets = offsets_of(image, rows, cols, area, channels, LAST)
    before = load_tile(grad, offsets, inside)
    before = tl.where(load_tile(out, offsets, inside) <= 0, 0.0, before)
    value = before * load_vector(of_grad + image * channels, cols, here)
    value += load_vector(constant + image * channels, cols, here)
    if OF_BATCH:
        centred = load_tile(x, offsets, inside) - load_vector(mean, cols, here)
        value += centred * load_vector(of_x, cols, here)
    tl.store(d_x + offsets, value.to(d_x.dtype.element_ty), inside)
    if NORMED:
        before = before * load_vector(of_grad2, cols, here) + load_vector(constant2, cols, here)
    if OF_BATCH2:
        centred = load_tile(shortcut, offsets, inside) - load_vector(mean2, cols, here)
        before += centred * load_vector(of_x2, cols, here)
    tl.store(d_shortcut + offsets, before.to(d_shortcut.dtype.element_ty), inside)


def forward(
    x: Tensor, norm: Norm, shortcut: Tensor, shortcut_norm: Norm | None, factor: Tensor | None
) -> Tensor:
    """See ``addition_forward_plain``."""
    out = torch.empty_like(x)
    if x.numel():
        cut = tiling(x.shape, memory_format(x))
        small = vectors(*norm, *(shortcut_norm or (None,) * 4), factor)
        with on_device_of(x):
            _forward_kernel[cut.grid](
                x, laid_out(shortcut, x), out, *small, x.shape[2] * x.shape[3], x.shape[1],
                cut.tiles, shortcut_norm is not None, factor is not None, *cut.layout,
            )  # fmt: skip
    return out


def sums(
    grad: Tensor, out: Tensor, x: Tensor, mean: Tensor, shortcut: Tensor, mean2: Tensor | None
) -> tuple[Tensor, ...]:
    """See ``addition_sums_plain``."""
    n, channels = x.shape[:2]
    if not x.numel():
        return (mean.new_zeros(n, channels),) * 4
    cut = tiling(x.shape, memory_format(x))
    _, tiles, splits = cut.shares(per_image=True)
    parts = x.new_empty((n, splits, 4, channels), dtype=torch.float32)
    with on_device_of(x):
        _sums_kernel[(n * splits, cut.strips)](
            laid_out(grad, x), laid_out(out, x), x, laid_out(shortcut, x), parts,
            *vectors(mean, mean2), x.shape[2] * x.shape[3], channels, tiles, splits,
            mean2 is not None, *cut.layout,
        )  # fmt: skip
    return parts.sum(1).unbind(1)


def gradients(
    grad: Tensor,
    out: Tensor,
    x: Tensor,
    shortcut: Tensor,
    of_branch: InputGradient,
    of_shortcut: InputGradient | None,
) -> tuple[Tensor, Tensor]:
    """See ``addition_gradients_plain``."""
    d_x, d_shortcut = torch.empty_like(x), torch.empty_like(x)
    if x.numel():
        cut = tiling(x.shape, memory_format(x))
        other = of_shortcut or (None,) * 4
        with on_device_of(x):
            _gradients_kernel[cut.grid](
                laid_out(grad, x), laid_out(out, x), x, laid_out(shortcut, x), d_x, d_shortcut,
                *vectors(*of_branch, *other), x.shape[2] * x.shape[3], x.shape[1], cut.tiles,
                of_branch[1] is not None, of_shortcut is not None, other[1] is not None,
                *cut.layout,
            )  # fmt: skip
    return d_x, d_shortcut
