from __future__ import annotations

import pytest
import torch
from mmcv.ops import MaskedConv2d, masked_conv2d
from torch.nn import functional


@pytest.mark.parametrize(("kernel", "padding"), [((3, 3), 1), ((1, 1), 0), ((3, 5), (1, 2))])
def test_chosen_cells_are_convolved_and_others_zero(
    kernel: tuple[int, int], padding: int | tuple[int, int]
) -> None:
    x, mask = torch.randn(1, 3, 6, 7).double(), torch.rand(1, 6, 7) > 0.5
    weight, bias = torch.randn(4, 3, *kernel).double(), torch.randn(4).double()
    expected = functional.conv2d(x, weight, bias, padding=padding) * mask
    torch.testing.assert_close(masked_conv2d(x, mask, weight, bias, padding), expected)


def test_no_cell_chosen() -> None:
    layer = MaskedConv2d(3, 4, 3, padding=1)
    found = layer(torch.randn(1, 3, 6, 7), torch.zeros(1, 6, 7))
    assert torch.equal(found, torch.zeros(1, 4, 6, 7))


def test_under_autocast() -> None:
    layer, x, mask = MaskedConv2d(3, 4, 3, padding=1), torch.randn(1, 3, 6, 7), torch.ones(1, 6, 7)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x.bfloat16(), mask)
    torch.testing.assert_close(found.float(), layer(x), rtol=0.05, atol=0.05)
