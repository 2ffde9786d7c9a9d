"""What the Triton kernels share: tiles of positions and channels, in either layout.

An image is P = H * W positions of C channels. A program works on tiles of ``ROWS`` positions of one
image and ``COLS`` channels, shaped so that neighbours in memory are read together. Everything is
computed in float32. Offsets into a tensor are int64, as it may have more than 2**31 elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

_TILE = 1024  # values in a tile: eight a thread
_PROGRAMS = 2048  # wanted where a sum is shared among programs: a few for each multiprocessor
_STEPS = 4  # tiles of a program that shares in a sum, at least: else its part is all it writes


@triton.jit
def tile_of(tile, tiles, ROWS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Which image a tile belongs to, and its positions (ROWS,) there; an image has ``tiles``."""
    return tile // tiles, tile % tiles * ROWS + tl.arange(0, ROWS)


@triton.jit
def offsets_of(  # type: ignore[no-untyped-def]
    image, rows, cols, area, channels, LAST: tl.constexpr
):
    """Where the values of a tile lie, (ROWS, COLS), in channels_last if LAST."""
    start = image.to(tl.int64) * channels * area
    if LAST:
        return start + rows.to(tl.int64)[:, None] * channels + cols[None, :]
    return start + cols.to(tl.int64)[None, :] * area + rows[:, None]


@triton.jit
def load_tile(x, offsets, inside):  # type: ignore[no-untyped-def]
    """Values in float32, zeros outside."""
    return tl.load(x + offsets, inside, 0.0).to(tl.float32)


@triton.jit
def load_vector(x, cols, here):  # type: ignore[no-untyped-def]
    """One value a channel, (1, COLS), in float32."""
    return tl.load(x + cols, here, 0.0).to(tl.float32)[None, :]


@triton.jit
def sum_rows(tile):  # type: ignore[no-untyped-def]
    """(ROWS, COLS) -> (COLS,)."""
    return tl.reduce(tile, 0, _add)


@triton.jit
def _add(a, b):  # type: ignore[no-untyped-def]
    return a + b


class Tiling(NamedTuple):
    """How a tensor (N, C, H, W) is cut.

    Attributes:
        images: N.
        tiles: of positions, in one image.
        strips: of channels.
        layout: what kernels are told at compile time: LAST, ROWS and COLS.
    """

    images: int
    tiles: int
    strips: int
    layout: tuple[bool, int, int]

    @property
    def grid(self) -> tuple[int, int]:
        """A program for every tile."""
        return self.images * self.tiles, self.strips

    def shares(self, per_image: bool) -> tuple[int, int, int]:
        """For sums: how many there are, the tiles of each, and the programs that share them."""
        groups = self.images if per_image else 1
        tiles = self.grid[0] // groups
        splits = triton.cdiv(_PROGRAMS, groups * self.strips)
        return groups, tiles, max(1, min(splits, triton.cdiv(tiles, _STEPS)))


def tiling(shape: Sequence[int], layout: torch.memory_format) -> Tiling:
    """How to cut a tensor (N, C, H, W), contiguous or channels_last."""
    n, channels, height, width = shape
    last = layout == torch.channels_last
    # Few positions are left to tiles of several channels, which follow one another in memory.
    across = triton.next_power_of_2(channels)
    along = triton.next_power_of_2(height * width)
    cols = min(64, across) if last else min(max(1, _TILE // along), across)
    rows = min(_TILE // cols, along)
    tiles = triton.cdiv(height * width, rows)
    return Tiling(n, tiles, triton.cdiv(channels, cols), (last, rows, cols))


def memory_format(x: Tensor) -> torch.memory_format:
    """The layout of ``x``; contiguous where it has both."""
    return torch.contiguous_format if x.is_contiguous() else torch.channels_last


def vectors(*given: Tensor | None) -> list[Tensor | None]:
    """Values a channel, or an image and a channel, one after another in memory."""
    return [None if vector is None else vector.contiguous() for vector in given]


def laid_out(other: Tensor, x: Tensor) -> Tensor:
    """``other`` in the layout of ``x``, copied if it has another (or is expanded)."""
    return other.contiguous(memory_format=memory_format(x))


def on_device_of(x: Tensor) -> AbstractContextManager[None]:
    """For launches: Triton's go to the current device, whatever their tensors are on."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()
