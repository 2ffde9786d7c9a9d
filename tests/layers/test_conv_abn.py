from __future__ import annotations

import pytest
import torch
from timm.layers import BlurPool2d, ConvNormAct
from torch import nn

from tresnet_tasks.layers import ConvABN


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("slope", [None, 1e-3])
def test_equals_timm(kernel_size: int, stride: int, slope: float | None) -> None:
    torch.manual_seed(0)
    theirs = ConvNormAct(
        4,
        6,
        kernel_size=kernel_size,
        stride=stride,
        apply_act=slope is not None,
        act_layer=lambda inplace=True: nn.LeakyReLU(slope or 0.0, inplace=inplace),
        aa_layer=BlurPool2d if stride == 2 else None,
    )
    nn.init.normal_(theirs.bn.weight)
    nn.init.normal_(theirs.bn.bias)
    ours = ConvABN(4, 6, kernel_size, stride, slope)
    ours.load_state_dict({k: v for k, v in theirs.state_dict().items() if "aa" not in k})
    x = torch.randn(2, 4, 9, 6)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-6)


def test_blurs_after_the_activation() -> None:
    layer = ConvABN(1, 1, 1, stride=2, slope=0.0).eval()
    nn.init.ones_(layer.conv.weight)
    # Blurred first, this checkerboard would be about zero; its positive half outlives the ReLU.
    x = torch.ones(1, 1, 8, 8)
    x[..., ::2, 1::2] = x[..., 1::2, ::2] = -1
    torch.testing.assert_close(layer(x), torch.full((1, 1, 4, 4), 0.5), rtol=1e-4, atol=1e-4)
