"""``ms_deform_attn``: PyTorch's ``grid_sample``, level by level, in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from .precision import operator, widened

NUMBERS_AT_ONCE = 2**24


def _maps(value: Tensor, shapes: list[tuple[int, int]]) -> list[Tensor]:
    """(B, keys, heads, D) as one (B * heads, D, H, W) a level."""
    levels = torch.split(value, [height * width for height, width in shapes], dim=1)
    return [
        level.permute(0, 2, 3, 1).reshape(-1, value.shape[3], *shape)
        for level, shape in zip(levels, shapes, strict=True)
    ]


def _by_head(tensor: Tensor) -> Tensor:
    """(B, queries, heads, ...) as (B * heads, queries, ...)."""
    return tensor.transpose(1, 2).flatten(0, 1)


def _parts(queries: int, numbers: int) -> Iterator[slice]:
    """Slices of the queries, each of which has ``numbers`` numbers in a level."""
    step = max(1, NUMBERS_AT_ONCE // max(1, numbers))
    return (slice(start, min(queries, start + step)) for start in range(0, queries, step))


def _attend(level: Tensor, places: Tensor, attention: Tensor) -> Tensor:
    """What queries read of one level: (B * heads, D, queries).

    Args:
        level: (B * heads, D, H, W).
        places: (B * heads, queries, points, 2), x and y in [0, 1].
        attention: (B * heads, queries, points).
    """
    sampled = functional.grid_sample(level, 2 * places - 1, align_corners=False)
    return (sampled * attention[:, None]).sum(-1)


@operator
def ms_deform_attn_forward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    *,
    im2col_step: int,
) -> Tensor:
    """Multi-scale deformable attention (Zhu et al. 2021).

    Args:
        value: (B, keys, heads, D), the levels one after the other.
        spatial_shapes: (levels, 2) int64, height and width of each.
        level_start_index: not used.
        sampling_locations: (B, queries, heads, levels, points, 2), x and y in [0, 1] of the level.
        attention_weights: (B, queries, heads, levels, points).
        im2col_step: not used.

    Returns:
        (B, queries, heads * D), of the type of ``value``.

    Memory: a copy of ``value`` and about 200 MiB in float32; backward two copies and about 400 MiB.
    On CUDA the backward is not deterministic, which torch says when
    ``torch.use_deterministic_algorithms`` is on.
    """
    shapes = [(int(height), int(width)) for height, width in spatial_shapes.tolist()]
    maps = _maps(widened(value), shapes)
    places = _by_head(sampling_locations.to(maps[0]))
    attention = _by_head(attention_weights.to(maps[0]))
    batch, _, heads, dims = value.shape
    queries, points = places.shape[1], places.shape[3]
    output = maps[0].new_zeros(batch * heads, dims, queries)
    for part in _parts(queries, output[:, :, :1].numel() * points):
        for number, level in enumerate(maps):
            output[:, :, part] += _attend(
                level, places[:, part, number], attention[:, part, number]
            )
    return output.view(batch, heads * dims, queries).transpose(1, 2).contiguous().to(value.dtype)


@operator
def ms_deform_attn_backward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    *,
    im2col_step: int,
) -> None:
    """Derivatives of `ms_deform_attn_forward`, written into the last three tensors.

    Args and memory: see there.
    """
    shapes = [(int(height), int(width)) for height, width in spatial_shapes.tolist()]
    maps = _maps(widened(value), shapes)
    places = _by_head(sampling_locations.to(maps[0]))
    attention = _by_head(attention_weights.to(maps[0]))
    batch, _, heads, dims = value.shape
    queries, points = places.shape[1], places.shape[3]
    grad = grad_output.to(maps[0]).view(batch, queries, heads, dims)
    grad = _by_head(grad).transpose(1, 2)
    grad_maps = [torch.zeros_like(level) for level in maps]
    grad_places, grad_attention = torch.zeros_like(places), torch.zeros_like(attention)
    for part in _parts(queries, grad[:, :, :1].numel() * points):
        for number, level in enumerate(maps):
            inputs = [
                tensor.detach().requires_grad_()
                for tensor in (level, places[:, part, number], attention[:, part, number])
            ]
            with torch.enable_grad():
                read = _attend(*inputs)
            of_level, of_places, of_attention = torch.autograd.grad(read, inputs, grad[:, :, part])
            grad_maps[number] += of_level
            grad_places[:, part, number] = of_places
            grad_attention[:, part, number] = of_attention
    together = torch.cat([level.flatten(2) for level in grad_maps], dim=2)
    grad_value.copy_(together.view(batch, heads, dims, -1).permute(0, 3, 1, 2))
    for target, source in (
        (grad_sampling_loc, grad_places),
        (grad_attn_weight, grad_attention),
    ):
        target.copy_(source.view(batch, heads, *source.shape[1:]).transpose(1, 2))
