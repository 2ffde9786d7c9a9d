from __future__ import annotations

import torch
from timm.layers import SpaceToDepth as TimmSpaceToDepth
from torch.nn import functional as F

from tresnet_tasks.layers import SpaceToDepth


def test_equals_explicit_loops() -> None:
    x = torch.arange(2 * 3 * 8 * 12).reshape(2, 3, 8, 12)
    out = SpaceToDepth()(x)
    assert out.shape == (2, 48, 2, 3)
    for dy in range(4):
        for dx in range(4):
            for c in range(3):
                assert torch.equal(out[:, (dy * 4 + dx) * 3 + c], x[:, c, dy::4, dx::4])


def test_order_is_not_that_of_pixel_unshuffle() -> None:
    x = torch.randn(1, 3, 8, 8)
    assert not torch.equal(SpaceToDepth()(x), F.pixel_unshuffle(x, 4))


def test_orders_agree_for_one_channel() -> None:
    x = torch.randn(1, 1, 8, 8)
    assert torch.equal(SpaceToDepth()(x), F.pixel_unshuffle(x, 4))


def test_equals_timm() -> None:
    x = torch.randn(2, 5, 12, 8)
    assert torch.equal(SpaceToDepth()(x), TimmSpaceToDepth()(x))


def test_takes_channels_last() -> None:
    x = torch.randn(2, 3, 8, 12)
    last = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(SpaceToDepth()(last), SpaceToDepth()(x))
