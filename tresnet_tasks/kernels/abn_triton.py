"""The Triton kernels of ``abn.py`` and ``activated.py``, one family.

A flag says at compile time whether there is an activation, a blur after it and a gate after that.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .blur_triton import load_transposed, reflected, weight_read
from .norm import Norm
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
def _load_activated(  # type: ignore[no-untyped-def]
    x, offsets, inside, scale, shift, centre, slope, ACTIVATED: tl.constexpr
):
    value = (load_tile(x, offsets, inside) - centre) * scale + shift
    if ACTIVATED:
        value = tl.where(value > 0, value, value * slope)
    return value


@triton.jit
def _forward_kernel(  # type: ignore[no-untyped-def]
    x, out, weight, bias, mean, inv_std, gate, slope, height, width, area, out_area, channels,
    tiles, ACTIVATED: tl.constexpr, BLURRED: tl.constexpr, GATED: tl.constexpr, LAST: tl.constexpr,
    ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    image, rows = tile_of(tl.program_id(0), tiles, ROWS)
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)
    here = cols < channels
    centre, shift = load_vector(mean, cols, here), load_vector(bias, cols, here)
    scale = load_vector(inv_std, cols, here) * load_vector(weight, cols, here)
    inside = (rows < out_area)[:, None] & here[None, :]
    if BLURRED:
        out_width = (width + 1) // 2
        value = tl.full((ROWS, COLS), 0.0, tl.float32)
        for i in tl.static_range(3):
            for j in tl.static_range(3):
                y = reflected(rows // out_width * 2 + (i - 1), height)
                at = y * width + reflected(rows % out_width * 2 + (j - 1), width)
                offsets = offsets_of(image, at, cols, area, channels, LAST)
                value += _load_activated(
                    x, offsets, inside, scale, shift, centre, slope, ACTIVATED
                ) * ((1 + i % 2) * (1 + j % 2) / 16)  # fmt: skip
    else:
        offsets = offsets_of(image, rows, cols, area, channels, LAST)
        value = _load_activated(x, offsets, inside, scale, shift, centre, slope, ACTIVATED)
    if GATED:
        value = value * load_vector(gate + image * channels, cols, here)
    offsets = offsets_of(image, rows, cols, out_area, channels, LAST)
    tl.store(out + offsets, value.to(out.dtype.element_ty), inside)


@triton.jit
def _sums_kernel(  # type: ignore[no-untyped-def]
    grad, x, sums, weight, bias, mean, inv_std, slope, height, width, area, channels, tiles,
    group_tiles, splits, ACTIVATED: tl.constexpr, BLURRED: tl.constexpr, GRADED: tl.constexpr,
    LAST: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    group = tl.program_id(0) // splits
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)
    here = cols < channels
    centre, shift = load_vector(mean, cols, here), load_vector(bias, cols, here)
    scale = load_vector(inv_std, cols, here) * load_vector(weight, cols, here)
    of_grad = tl.full((ROWS, COLS), 0.0, tl.float32)
    of_product = tl.full((ROWS, COLS), 0.0, tl.float32)
    for step in range(tl.program_id(0) % splits, group_tiles, splits):
        image, rows = tile_of(group * group_tiles + step, tiles, ROWS)
        inside = (rows < area)[:, None] & here[None, :]
        offsets = offsets_of(image, rows, cols, area, channels, LAST)
        centred = load_tile(x, offsets, inside) - centre
        if not GRADED:
            before = tl.where(inside, 1.0, 0.0)
            if BLURRED:
                before = before * weight_read(rows, height, width)
        elif BLURRED:
            before = load_transposed(
                grad, image, rows, cols, inside, height, width, channels, LAST
            )  # fmt: skip
        else:
            before = load_tile(grad, offsets, inside)
        if ACTIVATED:
            before = tl.where(centred * scale + shift > 0, before, before * slope)
        of_grad += before
        of_product += before * centred
    place = sums + tl.program_id(0).to(tl.int64) * 2 * channels + cols
    tl.store(place, sum_rows(of_grad), here)
    tl.store(place + channels, sum_rows(of_product), here)


@triton.jit
def _gradient_kernel(  # type: ignore[no-untyped-def]
    grad, x, out, weight, bias, mean, inv_std, of_x, constant, gate, offset, slope, height, width,
    area, channels, tiles, ACTIVATED: tl.constexpr, BLURRED: tl.constexpr, GATED: tl.constexpr,
    OF_BATCH: tl.constexpr, LAST: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    image, rows = tile_of(tl.program_id(0), tiles, ROWS)
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)
    here = cols < channels
    inside = (rows < area)[:, None] & here[None, :]
    offsets = offsets_of(image, rows, cols, area, channels, LAST)
    scale = load_vector(inv_std, cols, here) * load_vector(weight, cols, here)
    if BLURRED:
        before = load_transposed(grad, image, rows, cols, inside, height, width, channels, LAST)
    else:
        before = load_tile(grad, offsets, inside)
    if GATED:
        added = load_vector(offset + image * channels, cols, here)
        if BLURRED:
            added = added * weight_read(rows, height, width)
        before = before * load_vector(gate + image * channels, cols, here) + added
    if ACTIVATED or OF_BATCH:
        centred = load_tile(x, offsets, inside) - load_vector(mean, cols, here)
    if ACTIVATED:
        value = centred * scale + load_vector(bias, cols, here)
        before = tl.where(value > 0, before, before * slope)
    before = before * scale
    if OF_BATCH:
        before += load_vector(of_x, cols, here) * centred + load_vector(constant, cols, here)
    tl.store(out + offsets, before.to(out.dtype.element_ty), inside)


def forward(x: Tensor, norm: Norm, slope: float | None, blur: bool, gate: Tensor | None) -> Tensor:
    """See ``activated_forward_plain``."""
    n, channels, height, width = x.shape
    shape = (n, channels, (height + 1) // 2, (width + 1) // 2) if blur else x.shape
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=memory_format(x))
    if out.numel():
        # In the layout of x: a result of one position has both.
        cut = tiling(shape, memory_format(x))
        with on_device_of(x):
            _forward_kernel[cut.grid](
                x, out, *vectors(*norm, gate), slope or 0.0, height, width, height * width,
                shape[2] * shape[3], channels, cut.tiles, slope is not None, blur, gate is not None,
                *cut.layout,
            )  # fmt: skip
    return out


def sums(
    grad: Tensor | None, x: Tensor, norm: Norm, slope: float | None, blur: bool, per_image: bool
) -> tuple[Tensor, Tensor]:
    """See ``activated_sums_plain``."""
    n, channels, height, width = x.shape
    if not x.numel():
        zeros = norm[0].new_zeros(n if per_image else 1, channels)
        return zeros, zeros
    cut = tiling(x.shape, memory_format(x))
    groups, tiles, splits = cut.shares(per_image)
    parts = x.new_empty((groups, splits, 2, channels), dtype=torch.float32)
    with on_device_of(x):
        _sums_kernel[(groups * splits, cut.strips)](
            None if grad is None else laid_out(grad, x), x, parts, *vectors(*norm), slope or 0.0,
            height, width, height * width, channels, cut.tiles, tiles, splits, slope is not None,
            blur, grad is not None, *cut.layout,
        )  # fmt: skip
    of_grad, of_product = parts.sum(1).unbind(1)
    return of_grad, of_product


def gradient(
    grad: Tensor,
    x: Tensor,
    norm: Norm,
    slope: float | None,
    blur: bool,
    gate: tuple[Tensor, Tensor] | None,
    terms: tuple[Tensor, Tensor] | None,
) -> Tensor:
    """See ``activated_gradient_plain``."""
    out = torch.empty_like(x)
    _, channels, height, width = x.shape
    if x.numel():
        cut = tiling(x.shape, memory_format(x))
        small = vectors(*norm, *(terms or (None, None)), *(gate or (None, None)))
        with on_device_of(x):
            _gradient_kernel[cut.grid](
                laid_out(grad, x), x, out, *small, slope or 0.0, height, width, height * width,
                channels, cut.tiles, slope is not None, blur, gate is not None, terms is not None,
                *cut.layout,
            )  # fmt: skip
    return out
