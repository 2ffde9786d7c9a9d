"""mmcv's corner pools are plain torch already; held here because mmdet's CornerNet needs them."""

from __future__ import annotations

import pytest
import torch
from mmcv.ops import CornerPool

WAYS = {"left": (3, True), "right": (3, False), "top": (2, True), "bottom": (2, False)}


@pytest.mark.parametrize("mode", WAYS)
def test_each_cell_gets_the_maximum_of_those_behind_it(mode: str) -> None:
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64, requires_grad=True)
    dim, backwards = WAYS[mode]
    turned = x.flip(dim) if backwards else x
    expected = turned.cummax(dim).values
    found = CornerPool(mode)(x)
    assert torch.equal(found, expected.flip(dim) if backwards else expected)
    assert torch.autograd.gradcheck(CornerPool(mode), (x,), fast_mode=True)
