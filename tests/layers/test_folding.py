from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from tresnet_tasks.backbones import TResNet
from tresnet_tasks.layers import ABN, ConvABN, fold_abn, fold_state_dict, is_folded

ARCH = {
    "layers": (1, 2, 1, 1),
    "width_factor": 0.125,
    "blocks": ("basic", "basic", "bottleneck", "bottleneck"),
}


@pytest.fixture
def make() -> Callable[..., TResNet]:
    def build(**kwargs: Any) -> TResNet:
        torch.manual_seed(0)
        net = TResNet(ARCH, out_indices=(0, 1, 2, 3), **kwargs)
        for norm in net.modules():
            if isinstance(norm, ABN):
                nn.init.normal_(norm.weight)
                nn.init.normal_(norm.bias)
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2)
        return net.eval()

    return build


@pytest.mark.parametrize("abn", ["memory", "plain"])
@pytest.mark.parametrize("grad", [True, False])
def test_a_folded_network_computes_the_same(make: Any, abn: str, grad: bool) -> None:
    x = torch.rand(2, 3, 36, 44)
    with torch.no_grad():
        expected = make()(x)
    with torch.set_grad_enabled(grad):
        feats = fold_abn(make(abn=abn))(x)
    for feat, other in zip(feats, expected, strict=True):
        assert (feat - other).abs().max() <= 1e-5 * other.abs().max()


def test_nothing_of_batch_norm_remains(make: Any) -> None:
    net = fold_abn(make())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())


def test_folding_keeps_channels_last(make: Any) -> None:
    net = fold_abn(make().to(memory_format=torch.channels_last))
    for layer in net.modules():
        if isinstance(layer, ConvABN):
            assert layer.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_folded_weights_are_those_of_the_folded_network(make: Any) -> None:
    folded = fold_state_dict(make().state_dict())
    expected = fold_abn(make()).state_dict()
    assert folded.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(folded[name], value)


def test_folding_twice_is_folding_once(make: Any) -> None:
    net = fold_abn(make())
    once = {name: value.clone() for name, value in net.state_dict().items()}
    twice = fold_abn(net).state_dict()
    assert all(torch.equal(twice[name], value) for name, value in once.items())
    assert fold_state_dict(once).keys() == once.keys()


def test_folded_weights_are_told_from_others(make: Any) -> None:
    state = make().state_dict()
    assert not is_folded(state)
    assert is_folded(fold_state_dict(state))
