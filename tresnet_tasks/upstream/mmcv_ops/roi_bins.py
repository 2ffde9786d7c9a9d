"""Where the bins of regions of interest lie, and work on them in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

FAR_AWAY = -1e4


def finite_rois(rois: Tensor, spatial_scale: float) -> Tensor:
    """Regions (K, 5), those that are not finite moved to where no feature map is.

    A kernel, or an index made from them, would read memory that is not the map's.
    """
    elsewhere = rois.new_full((5,), FAR_AWAY / spatial_scale)
    elsewhere[0] = 0
    return torch.where(rois.isfinite().all(1, keepdim=True), rois, elsewhere)


@dataclass(frozen=True)
class Piece:
    """Some points of some regions that have equally many points in a bin."""

    rois: Tensor
    """(k,) int64."""
    row: Tensor
    """(s,) int64: the row of each point in its bin's grid."""
    column: Tensor
    """(s,) int64."""
    grid: tuple[int, int]
    """Rows and columns of the whole grid."""


def pieces(grid_h: Tensor, grid_w: Tensor, bins: int, limit: int) -> Iterator[Piece]:
    """Cut all points of all bins into pieces of at most ``limit`` points (or one a bin).

    Args:
        grid_h: (K,) int64, rows of points in each bin of a region; regions with 0 are left out.
        grid_w: (K,) int64, columns.
        bins: bins of a region.
        limit: points in a piece.
    """
    grids = torch.stack([grid_h, grid_w], dim=1)
    kinds, kind = torch.unique(grids, dim=0, return_inverse=True)
    for number, (height, width) in enumerate(kinds.tolist()):
        if height <= 0 or width <= 0:
            continue
        rois = (kind == number).nonzero()[:, 0]
        points = height * width
        points_at_once = min(points, max(1, limit // bins))
        rois_at_once = max(1, limit // (bins * points_at_once))
        for part in torch.split(rois, rois_at_once):
            for start in range(0, points, points_at_once):
                stop = min(points, start + points_at_once)
                point = torch.arange(start, stop, device=rois.device)
                row = point.div(width, rounding_mode="floor")
                yield Piece(part, row, point - row * width, (height, width))


@dataclass(frozen=True)
class AlignedBins:
    """The sampling grid of RoIAlign: bins of equal size, points at the centres of a grid in each."""

    image: Tensor
    """(K,) int64: the image of each region."""
    start: Tensor
    """(K, 2): y and x of its corner, in cells."""
    size: Tensor
    """(K, 2): its height and width."""
    grid: Tensor
    """(K, 2) int64: rows and columns of points in each of its bins."""
    shape: tuple[int, int]
    """Rows and columns of bins."""

    @classmethod
    def of(
        cls,
        rois: Tensor,
        shape: tuple[int, int],
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool,
    ) -> AlignedBins:
        """The bins of regions.

        Args:
            rois: (K, 5): number of the image, x1, y1, x2, y2 in pixels.
            shape: rows and columns of bins.
            spatial_scale: cells of the feature map in a pixel.
            sampling_ratio: points in a bin along each side; 0 for one every cell.
            aligned: pixel centres at 0.5; otherwise at 0, and regions are at least one cell wide.

        A region that is not finite reads nothing, and one that is inside out has no points when
        ``sampling_ratio`` is 0.
        """
        rois = finite_rois(rois, spatial_scale)
        corners = rois[:, [2, 1, 4, 3]] * spatial_scale - (0.5 if aligned else 0.0)
        start, size = corners[:, :2], corners[:, 2:] - corners[:, :2]
        if not aligned:
            size = size.clamp(min=1)
        if sampling_ratio > 0:
            grid = torch.full_like(size, sampling_ratio, dtype=torch.int64)
        else:
            grid = (size / size.new_tensor(shape)).ceil().long()
        return cls(rois[:, 0].long(), start, size, grid, shape)

    def pieces(self, limit: int) -> Iterator[Piece]:
        """All points in pieces of at most ``limit``."""
        return pieces(self.grid[:, 0], self.grid[:, 1], self.shape[0] * self.shape[1], limit)

    def points(self, piece: Piece) -> tuple[Tensor, Tensor]:
        """Positions (y, x) of a piece's points, in cells: each (k, rows * columns, s)."""
        return self._along(piece, 0), self._along(piece, 1)

    def _along(self, piece: Piece, axis: int) -> Tensor:
        bins = self.shape[axis]
        step = piece.row if axis == 0 else piece.column
        start, size = self.start[piece.rois, axis], self.size[piece.rois, axis]
        number = torch.arange(bins, dtype=size.dtype, device=size.device)
        within = (number[:, None] + (step.to(size) + 0.5) / piece.grid[axis]) / bins
        position = start[:, None, None] + within * size[:, None, None]
        rows, columns = self.shape
        if axis == 0:
            spread = position[:, :, None].expand(-1, rows, columns, -1)
        else:
            spread = position[:, None].expand(-1, rows, columns, -1)
        return spread.reshape(len(position), rows * columns, -1)
