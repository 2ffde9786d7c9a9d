"""The Triton kernels of ``abn.py``, for contiguous and channels_last tensors alike.

A tensor (N, C, H, W) is seen as P = N * H * W positions of C channels. A program works on a tile of
``ROWS`` positions and ``COLS`` channels, shaped so that neighbours in memory are read together.
Everything is computed in float32.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_SPLITS = 64  # programs that share the sum over one channel


@triton.jit
def _offsets(rows, cols, area, stride_n, stride_c, stride_p):  # type: ignore[no-untyped-def]
    rows = rows.to(tl.int64)
    position = rows // area * stride_n + rows % area * stride_p
    return position[:, None] + cols[None, :] * stride_c


@triton.jit
def _add(a, b):  # type: ignore[no-untyped-def]
    return a + b


@triton.jit
def _grad_before(  # type: ignore[no-untyped-def]
    grad, normed, weight, bias, slope, ACTIVATED: tl.constexpr
):
    """The gradient under the activation, where the value is normed * weight + bias."""
    if ACTIVATED:
        value = normed * weight[None, :] + bias[None, :]
        grad = tl.where(value > 0, grad, grad * slope)
    return grad


@triton.jit
def _forward_kernel(  # type: ignore[no-untyped-def]
    x, out, weight, bias, mean, inv_std, slope, positions, channels, area, stride_n, stride_c,
    stride_p, ACTIVATED: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)
    here = cols < channels
    inside = (rows < positions)[:, None] & here[None, :]
    offsets = _offsets(rows, cols, area, stride_n, stride_c, stride_p)
    scale = tl.load(inv_std + cols, here, 0.0) * tl.load(weight + cols, here, 0.0)
    shift = tl.load(bias + cols, here, 0.0)
    centre = tl.load(mean + cols, here, 0.0)
    value = tl.load(x + offsets, inside, 0.0).to(tl.float32)
    value = (value - centre[None, :]) * scale[None, :] + shift[None, :]
    if ACTIVATED:
        value = tl.where(value > 0, value, value * slope)
    tl.store(out + offsets, value.to(out.dtype.element_ty), inside)


@triton.jit
def _sums_kernel(  # type: ignore[no-untyped-def]
    grad, x, sums, weight, bias, mean, inv_std, slope, positions, channels, area, stride_n,
    stride_c, stride_p, ACTIVATED: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)
    here = cols < channels
    scale = tl.load(weight + cols, here, 0.0)
    shift = tl.load(bias + cols, here, 0.0)
    centre = tl.load(mean + cols, here, 0.0)
    spread = tl.load(inv_std + cols, here, 0.0)
    of_weight = tl.full((COLS,), 0.0, tl.float32)
    of_bias = tl.full((COLS,), 0.0, tl.float32)
    for first in range(tl.program_id(0) * ROWS, positions, tl.num_programs(0) * ROWS):
        rows = first + tl.arange(0, ROWS)
        inside = (rows < positions)[:, None] & here[None, :]
        offsets = _offsets(rows, cols, area, stride_n, stride_c, stride_p)
        normed = tl.load(x + offsets, inside, 0.0).to(tl.float32)
        normed = (normed - centre[None, :]) * spread[None, :]
        before = tl.load(grad + offsets, inside, 0.0).to(tl.float32)
        before = _grad_before(before, normed, scale, shift, slope, ACTIVATED)
        of_weight += tl.reduce(before * normed, 0, _add)
        of_bias += tl.reduce(before, 0, _add)
    place = sums + tl.program_id(0) * 2 * channels + cols
    tl.store(place, of_weight, here)
    tl.store(place + channels, of_bias, here)


@triton.jit
def _grad_kernel(  # type: ignore[no-untyped-def]
    grad, x, out, sums, weight, bias, mean, inv_std, slope, share, positions, channels, area,
    stride_n, stride_c, stride_p, ACTIVATED: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)
    here = cols < channels
    inside = (rows < positions)[:, None] & here[None, :]
    offsets = _offsets(rows, cols, area, stride_n, stride_c, stride_p)
    scale = tl.load(weight + cols, here, 0.0)
    shift = tl.load(bias + cols, here, 0.0)
    centre = tl.load(mean + cols, here, 0.0)
    spread = tl.load(inv_std + cols, here, 0.0)
    # share is 1 / positions, or 0 where mean and inv_std do not depend on x.
    of_weight = tl.load(sums + cols, here, 0.0) * share
    of_bias = tl.load(sums + channels + cols, here, 0.0) * share
    normed = tl.load(x + offsets, inside, 0.0).to(tl.float32)
    normed = (normed - centre[None, :]) * spread[None, :]
    before = tl.load(grad + offsets, inside, 0.0).to(tl.float32)
    before = _grad_before(before, normed, scale, shift, slope, ACTIVATED)
    before = before - of_bias[None, :] - normed * of_weight[None, :]
    before = before * (spread * scale)[None, :]
    tl.store(out + offsets, before.to(out.dtype.element_ty), inside)


def forward(
    x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, inv_std: Tensor, slope: float | None
) -> Tensor:
    """See ``abn_forward_plain``; x contiguous or channels_last."""
    out = torch.empty_like(x)
    if x.numel():
        shape, tile, grid = _plan(x)
        vectors = _float32(weight, bias, mean, inv_std)
        _forward_kernel[grid](x, out, *vectors, slope or 0.0, *shape, slope is not None, *tile)
    return out


def backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    inv_std: Tensor,
    slope: float | None,
    of_batch: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """See ``abn_backward_plain``; x contiguous or channels_last."""
    out = torch.empty_like(x)
    if not x.numel():
        return out, torch.zeros_like(weight), torch.zeros_like(bias)
    grad = grad.expand_as(x)
    if grad.stride() != x.stride():
        grad = torch.empty_like(x).copy_(grad)
    shape, tile, grid = _plan(x)
    vectors = _float32(weight, bias, mean, inv_std)
    rest = (slope or 0.0, *shape, slope is not None, *tile)
    splits = min(_SPLITS, grid[0])
    partial = x.new_empty((splits, 2, x.shape[1]), dtype=torch.float32)
    _sums_kernel[(splits, grid[1])](grad, x, partial, *vectors, *rest)
    sums = partial.sum(0)
    share = x.shape[1] / x.numel() if of_batch else 0.0
    _grad_kernel[grid](grad, x, out, sums, *vectors, rest[0], share, *rest[1:])
    return out, sums[0].to(weight.dtype), sums[1].to(bias.dtype)


def _plan(x: Tensor) -> tuple[tuple[int, ...], tuple[int, int], tuple[int, int]]:
    """What a kernel is told of a tensor: sizes and strides, the tile, the grid of programs."""
    n, channels, height, width = x.shape
    positions, area = n * height * width, height * width
    if x.is_contiguous():
        strides, tile = (channels * area, area, 1), (1024, 1)
    else:  # channels_last
        strides, tile = (area * channels, 1, channels), (32, 64)
    grid = (triton.cdiv(positions, tile[0]), triton.cdiv(channels, tile[1]))
    return (positions, channels, area, *strides), tile, grid


def _float32(*vectors: Tensor) -> list[Any]:
    return [vector.float().contiguous() for vector in vectors]
