"""3x3 convolutions with a quarter of the multiplications, on a CPU.

Winograd's minimal filtering F(4x4, 3x3) in the form of Lavin and Gray (arXiv 1509.09308): 4x4
results at once, from the 6x6 inputs that they read,

    y = A^T [(G w G^T) * (B^T x B)] A

where * multiplies element by element: 36 multiplications for each pair of channels, where the
definition takes 144. All the rest is linear and the same for all channels, so everything here is a
product of matrices, which torch computes as fast as the machine can. The transforms cost a share
that falls with the number of channels: :func:`winograd_pays` says where it is worth it.

The numbers are those of the definition but for rounding, of which there is about four times as much
as torch's convolution has in single precision, and in the weight's gradient ten times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_TILE, _WINDOW = 4, 6
# Tiles at once, or those of one image where it has more: products of so many rows are fast, and
# what is between them stays small.
_ROWS = 512
# Below these the transforms of inputs and weights take what the products save, on the processors
# that it was measured on.
_CHANNELS, _LEAST_ROWS = 192, 48

# Lavin and Gray, section 4.2.
_A = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
_B = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)


class _Transforms(NamedTuple):
    """Of both axes at once: results (16, 36), inputs (36, 36) and weights (36, 9)."""

    results: Tensor
    inputs: Tensor
    weights: Tensor

    def to(self, dtype: torch.dtype) -> _Transforms:
        return _Transforms(*(matrix.to(dtype) for matrix in self))


def _both_axes(matrix: Sequence[Sequence[float]]) -> Tensor:
    exact = torch.tensor(matrix, dtype=torch.float64, device="cpu")
    return torch.kron(exact, exact)


_EXACT = _Transforms(_both_axes(_A), _both_axes(_B), _both_axes(_G))
_SINGLE = _EXACT.to(torch.float32)


def _transforms(dtype: torch.dtype) -> _Transforms:
    return _SINGLE if dtype == torch.float32 else _EXACT.to(dtype)


def has_winograd(weight: Tensor) -> bool:
    """Whether ``winograd_pays`` may say so of any input.

    Args:
        weight: (O, C, K, K).
    """
    # In double precision never: who asks for that wants the definition. Without MKL torch's
    # convolutions are other ones, which may know this by themselves.
    fast = weight.is_cpu and torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    many = weight.shape[2] == 3 and min(weight.shape[:2]) >= _CHANNELS
    return fast and many and weight.dtype == torch.float32


def winograd_pays(x: Tensor, weight: Tensor) -> bool:
    """Whether the functions here take less time than torch's convolution.

    Args:
        x: (N, C, H, W), the input.
        weight: (O, C, K, K).
    """
    if not has_winograd(weight) or x.dtype != weight.dtype or not x.is_cpu:
        return False
    height, width = x.shape[2:]
    enough = len(x) * -(-height // _TILE) * -(-width // _TILE) >= _LEAST_ROWS
    ready = x.is_contiguous(memory_format=torch.channels_last)
    return enough and ready and not torch.is_autocast_enabled("cpu")


def winograd_filters(weight: Tensor) -> Tensor:
    """(O, C, 3, 3) -> (36, C, O), the weights as :func:`winograd_conv` reads them."""
    return _filters(weight, _transforms(weight.dtype).weights).transpose(1, 2)


def winograd_conv(x: Tensor, filters: Tensor) -> Tensor:
    """A 3x3 convolution of stride 1 and padding 1.

    Args:
        x: (N, C, H, W), channels_last.
        filters: (36, C, O), of the weights.

    Returns:
        (N, O, H, W), channels_last.
    """
    height, width = x.shape[2:]
    transforms = _transforms(x.dtype)
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    out = x.new_empty(len(x), height, width, filters.shape[2])
    for images, part in _parts(x, rows * columns):
        inputs = transforms.inputs @ _windows(part, rows, columns)
        products = inputs.view(_WINDOW**2, -1, x.shape[1]) @ filters
        results = transforms.results @ products.flatten(1)
        tiles = results.view(_TILE, _TILE, len(part), rows, columns, -1).permute(2, 3, 0, 4, 1, 5)
        whole = tiles.reshape(len(part), rows * _TILE, columns * _TILE, -1)
        out[images] = whole[:, :height, :width]
    return out.permute(0, 3, 1, 2)


def winograd_input_gradient(grad: Tensor, weight: Tensor) -> Tensor:
    """The gradient of the input from that of the output, both (N, ..., H, W), channels_last."""
    # It is a convolution too, with the weights turned about and the channels changed over.
    return winograd_conv(grad, _filters(weight, _transforms(weight.dtype).weights.flip(1)))


def winograd_weight_gradient(grad: Tensor, x: Tensor) -> Tensor:
    """The gradient of the weight.

    Args:
        grad: (N, O, H, W), of the output, channels_last.
        x: (N, C, H, W), the input, channels_last.

    Returns:
        (O, C, 3, 3).
    """
    transforms = _transforms(x.dtype)
    rows, columns = (-(-side // _TILE) for side in x.shape[2:])
    total = x.new_zeros(_WINDOW**2, grad.shape[1], x.shape[1])
    for images, part in _parts(x, rows * columns):
        inputs = transforms.inputs @ _windows(part, rows, columns)
        results = transforms.results.t() @ _tiles(grad[images], rows, columns)
        total.baddbmm_(
            results.view(_WINDOW**2, -1, grad.shape[1]).transpose(1, 2),
            inputs.view(_WINDOW**2, -1, x.shape[1]),
        )
    d_weight = transforms.weights.t() @ total.flatten(1)
    return d_weight.view(3, 3, grad.shape[1], x.shape[1]).permute(2, 3, 0, 1)


def _filters(weight: Tensor, transform: Tensor) -> Tensor:
    """(O, C, 3, 3) -> (36, O, C)."""
    out, channels = weight.shape[:2]
    return (transform @ weight.permute(2, 3, 0, 1).reshape(9, -1)).view(-1, out, channels)


def _parts(x: Tensor, positions: int) -> Iterator[tuple[slice, Tensor]]:
    """Some images at a time."""
    step = max(_ROWS // positions, 1)
    for start in range(0, len(x), step):
        images = slice(start, start + step)
        yield images, x[images]


def _windows(x: Tensor, rows: int, columns: int) -> Tensor:
    """(N, C, H, W) -> (36, N * rows * columns * C), the 6x6 inputs of each tile."""
    height, width = x.shape[2:]
    below, right = rows * _TILE + 1 - height, columns * _TILE + 1 - width
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, right, 1, below))
    windows = padded.unfold(1, _WINDOW, _TILE).unfold(2, _WINDOW, _TILE)
    return windows.permute(4, 5, 0, 1, 2, 3).reshape(_WINDOW**2, -1)


def _tiles(x: Tensor, rows: int, columns: int) -> Tensor:
    """(N, C, H, W) -> (16, N * rows * columns * C), the 4x4 results of each tile."""
    height, width = x.shape[2:]
    below, right = rows * _TILE - height, columns * _TILE - width
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 0, right, 0, below))
    tiles = padded.view(len(x), rows, _TILE, columns, _TILE, -1).permute(2, 4, 0, 1, 3, 5)
    return tiles.reshape(_TILE**2, -1)
