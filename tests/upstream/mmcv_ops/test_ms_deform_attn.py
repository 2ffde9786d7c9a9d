from __future__ import annotations

import pytest
import torch
from mmcv.ops import MultiScaleDeformableAttention
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from torch import Tensor

import tresnet_tasks.upstream.mmcv_ops.ms_deform_attn as ours

SHAPES = torch.tensor([[4, 5], [2, 3]])
STARTS = torch.tensor([0, 20])


def arguments(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Value, places (some outside) and attention: 2 images, 3 queries, 2 heads, 4 points."""
    value = torch.randn(2, 26, 2, 3, dtype=dtype, requires_grad=True)
    places = (1.4 * torch.rand(2, 3, 2, 2, 4, 2, dtype=dtype) - 0.2).requires_grad_()
    attention = torch.rand(2, 3, 2, 2, 4, dtype=dtype, requires_grad=True)
    return value, places, attention


def attend(value: Tensor, places: Tensor, attention: Tensor) -> Tensor:
    """As mmcv does on CUDA."""
    return MultiScaleDeformableAttnFunction.apply(value, SHAPES, STARTS, places, attention, 64)


@pytest.mark.parametrize("numbers", [2**24, 1])
def test_mmcvs_plain_version_says_the_same(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "NUMBERS_AT_ONCE", numbers)
    inputs = arguments()
    expected = multi_scale_deformable_attn_pytorch(inputs[0], SHAPES, *inputs[1:])
    found = attend(*inputs)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(expected)
    slopes = [torch.autograd.grad((out * weights).sum(), inputs) for out in (found, expected)]
    for ours_, theirs in zip(*slopes, strict=True):
        torch.testing.assert_close(ours_, theirs)


def test_gradients() -> None:
    assert torch.autograd.gradcheck(attend, arguments(), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_is_float_rounded(dtype: torch.dtype) -> None:
    inputs = arguments(dtype)
    found = attend(*inputs)
    assert torch.equal(found, attend(*[tensor.float() for tensor in inputs]).to(dtype))
    found.sum().backward()
    assert all(tensor.grad.dtype == dtype for tensor in inputs)


def test_the_layer_gives_the_same_through_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = MultiScaleDeformableAttention(8, 2, 2, 4, dropout=0.0, batch_first=True).eval()
    torch.nn.init.normal_(layer.sampling_offsets.weight)
    query, keys, reference = torch.randn(2, 3, 8), torch.randn(2, 26, 8), torch.rand(2, 3, 2, 2)
    given = {"reference_points": reference, "spatial_shapes": SHAPES, "level_start_index": STARTS}
    expected = layer(query, value=keys, **given)
    monkeypatch.setattr(
        "mmcv.ops.multi_scale_deform_attn.multi_scale_deformable_attn_pytorch",
        lambda value, shapes, places, attention: attend(value, places, attention),
    )
    torch.testing.assert_close(layer(query, value=keys, **given), expected)
