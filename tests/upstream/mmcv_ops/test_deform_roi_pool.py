from __future__ import annotations

import pytest
import torch
from mmcv.ops import (
    DeformRoIPool,
    DeformRoIPoolPack,
    ModulatedDeformRoIPoolPack,
    deform_roi_pool,
    roi_align,
)
from torch import Tensor

import tresnet_tasks.upstream.mmcv_ops.roi_align as pooling

ROIS = torch.tensor([[0, 3.3, 2.1, 17.6, 12.9], [1, -5.0, -3.0, 9.0, 5.0]], dtype=torch.float64)


def features() -> Tensor:
    return torch.randn(2, 2, 8, 10, dtype=torch.float64)


@pytest.mark.parametrize("ratio", [0, 2])
def test_without_offsets_it_is_roi_align(ratio: int) -> None:
    x = features()
    found = deform_roi_pool(x, ROIS, None, (2, 3), 0.5, ratio, 0.1)
    torch.testing.assert_close(found, roi_align(x, ROIS, (2, 3), 0.5, ratio, "avg", True))


@pytest.mark.parametrize("ratio", [0, 2])
def test_a_common_offset_moves_the_region(ratio: int) -> None:
    x, move = features(), torch.tensor([0.3, -0.2])  # x and y, in sizes of the region
    offset = move.view(1, 2, 1, 1).expand(2, 2, 2, 3).double()
    size = ROIS[:, 3:] - ROIS[:, 1:3]
    shift = (0.1 * size * move).repeat(1, 2)
    moved = torch.cat([ROIS[:, :1], ROIS[:, 1:] + shift], dim=1)
    found = deform_roi_pool(x, ROIS, offset, (2, 3), 0.5, ratio, 0.1)
    torch.testing.assert_close(found, roi_align(x, moved, (2, 3), 0.5, ratio, "avg", True))


@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("numbers", [2**23, 64])
def test_gradients(ratio: int, numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooling, "NUMBERS_AT_ONCE", numbers)
    monkeypatch.setattr(pooling, "POINTS_AT_ONCE", numbers)
    x, offset = features().requires_grad_(), torch.randn(2, 2, 2, 3, dtype=torch.float64)
    module = DeformRoIPool((2, 3), 0.5, ratio, 0.1)
    assert torch.autograd.gradcheck(
        lambda x, offset: module(x, ROIS, offset), (x, offset.requires_grad_())
    )


@pytest.mark.parametrize("pack", [DeformRoIPoolPack, ModulatedDeformRoIPoolPack])
def test_the_layers_of_mmdets_configs_learn_their_offsets(pack: type[torch.nn.Module]) -> None:
    layer = pack((2, 3), 2, deform_fc_channels=8, spatial_scale=0.5)
    x = features().float().requires_grad_()
    layer(x, ROIS.float()).square().sum().backward()
    assert x.grad.abs().sum() > 0
    assert layer.offset_fc[-1].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("ratio", [0, 2])
def test_regions_that_are_not_finite_read_nothing(ratio: int) -> None:
    bad = torch.full((2, 5), torch.nan, dtype=torch.float64)
    offset = torch.randn(2, 2, 2, 3, dtype=torch.float64)
    found = deform_roi_pool(features(), bad, offset, (2, 3), 0.5, ratio, 0.1)
    assert torch.equal(found, torch.zeros_like(found))


def test_no_regions() -> None:
    x, none, offset = features().requires_grad_(), ROIS[:0], torch.zeros(0, 2, 2, 3).double()
    found = deform_roi_pool(x, none, offset, (2, 3), 0.5, 0, 0.1)
    found.sum().backward()
    assert found.shape == (0, 2, 2, 3)
    assert torch.equal(x.grad, torch.zeros_like(x))
