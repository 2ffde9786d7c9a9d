"""Packed for the CPU, a network computes what it computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tresnet_tasks.backbones import pack_for_cpu
from tresnet_tasks.backbones.packed_blocks import PackedBlock
from tresnet_tasks.layers import ConvABN, PackedConv, fold_abn
from tresnet_tasks.upstream import onednn

ALL = (0, 1, 2, 3)
pytestmark = pytest.mark.skipif(
    not onednn.has_fused_convolutions(), reason="this torch comes without oneDNN"
)


@pytest.mark.parametrize("blocks", ["mixed", "bottleneck"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_feature_maps_stay(
    make_tiny: Any, tiny_arch: dict[str, Any], blocks: str, layout: torch.memory_format
) -> None:
    tiny_arch["layers"] = (1, 2, 2, 1)
    if blocks == "bottleneck":
        tiny_arch["blocks"] = ("bottleneck",) * 4
    net = make_tiny(arch=tiny_arch, out_indices=ALL).eval()
    shapes = [(2, 3, 32, 44), (1, 3, 64, 64), (3, 3, 20, 20)]  # the first decides how it is packed
    images = [torch.rand(shape).contiguous(memory_format=layout) for shape in shapes]
    with torch.inference_mode():
        expected = [net(x) for x in images]
        packed = pack_for_cpu(fold_abn(net))
        for x, feats in zip(images, expected, strict=True):
            for feat, other in zip(packed(x), feats, strict=True):
                assert (feat - other).abs().max() <= 1e-5 * other.abs().max()


def test_the_maps_that_are_returned_are_not_written_over(make_tiny: Any) -> None:
    net = pack_for_cpu(fold_abn(make_tiny(out_indices=ALL)))
    alone = [pack_for_cpu(fold_abn(make_tiny(out_indices=(index,)))) for index in ALL]
    x = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        for feat, other in zip(net(x), alone, strict=True):
            assert torch.equal(feat, other(x)[0])


def test_the_images_are_not_written_over(make_tiny: Any) -> None:
    net = pack_for_cpu(fold_abn(make_tiny()))
    x = torch.rand(1, 3, 32, 32)
    kept = x.clone()
    with torch.inference_mode():
        net(x)
    assert torch.equal(x, kept)


def test_every_block_is_packed(make_tiny: Any) -> None:
    net = pack_for_cpu(fold_abn(make_tiny()))
    assert sum(isinstance(module, PackedBlock) for module in net.modules()) == 4
    assert isinstance(net.body.conv1, PackedConv)
    assert not any(isinstance(module, ConvABN) for module in net.modules())


def test_without_onednn_nothing_changes(make_tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    net = pack_for_cpu(fold_abn(make_tiny()))
    assert not any(isinstance(module, PackedBlock | PackedConv) for module in net.modules())


def test_a_network_that_is_not_folded_is_refused(make_tiny: Any) -> None:
    with pytest.raises(ValueError, match="fold_abn"):
        pack_for_cpu(make_tiny().eval())


def test_a_packed_convolution_is_the_convolution_and_its_activation() -> None:
    conv = nn.Conv2d(4, 6, 3, padding=1)
    x, shortcut = torch.randn(2, 4, 9, 7), torch.randn(2, 6, 9, 7)
    with torch.inference_mode():
        expected = conv(x)
        torch.testing.assert_close(PackedConv(conv)(x), expected)
        leaky = nn.functional.leaky_relu(expected, 0.1)
        torch.testing.assert_close(PackedConv(conv, 0.1)(x), leaky)
        torch.testing.assert_close(PackedConv(conv)(x, shortcut), (expected + shortcut).relu())
