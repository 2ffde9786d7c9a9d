from __future__ import annotations

from typing import Any

import pytest
import torch

from tresnet_tasks.backbones import ARCHS, TResNet

PUBLISHED_CHANNELS = {
    "tresnet_m": (64, 128, 1024, 2048),
    "tresnet_l": (76, 152, 1216, 2432),
    "tresnet_xl": (83, 166, 1328, 2656),
    "tresnet_v2_l": (256, 512, 1024, 2048),
}


@pytest.mark.parametrize("name", ARCHS)
def test_feature_spec_of_published_variants(name: str) -> None:
    spec = TResNet.feature_spec(name, (0, 1, 2, 3))
    assert spec.channels == PUBLISHED_CHANNELS[name]
    assert spec.strides == (4, 8, 16, 32)


@pytest.mark.parametrize("blocks", [("basic",) * 2 + ("bottleneck",) * 2, ("bottleneck",) * 4])
@pytest.mark.parametrize("out_indices", [(3,), (0, 1, 2, 3), (1, 3), (3, 0), (0,)])
def test_feature_spec_equals_what_the_net_returns(
    blocks: tuple[str, ...], out_indices: tuple[int, ...]
) -> None:
    arch = {"layers": (1, 1, 1, 1), "width_factor": 0.3, "blocks": blocks}
    spec = TResNet.feature_spec(arch, out_indices)
    feats = TResNet(arch, out_indices=out_indices).eval()(torch.rand(1, 3, 64, 64))
    assert tuple(feat.shape[1] for feat in feats) == spec.channels
    assert tuple(64 // feat.shape[2] for feat in feats) == spec.strides


@pytest.mark.parametrize("size", [(20, 20), (36, 44), (228, 300), (64, 20)])
def test_sizes_are_rounded_up_at_every_stride(make_tiny: Any, size: tuple[int, int]) -> None:
    net = make_tiny(out_indices=(0, 1, 2, 3)).eval()
    with torch.no_grad():
        feats = net(torch.rand(2, 3, *size))
    for feat, stride in zip(feats, (4, 8, 16, 32), strict=True):
        assert feat.shape[2:] == (-(-size[0] // stride), -(-size[1] // stride))


@pytest.mark.parametrize("size", [(22, 64), (64, 30), (16, 16), (64, 16), (0, 64)])
def test_other_sizes_are_refused(make_tiny: Any, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"{size[0]}x{size[1]} .*multiples of 4 and at least 20"):
        make_tiny()(torch.rand(1, 3, *size))


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 4, 64, 64), (1, 64, 64, 3)])
def test_other_shapes_are_refused(make_tiny: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(N, 3, H, W\)") as error:
        make_tiny()(torch.rand(shape))
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("in_channels", [1, 4])
def test_other_numbers_of_image_channels(make_tiny: Any, in_channels: int) -> None:
    (feat,) = make_tiny(in_channels=in_channels)(torch.rand(2, in_channels, 32, 32))
    assert feat.shape == (2, 512, 1, 1)


def test_stages_beyond_the_last_output_are_not_run(make_tiny: Any) -> None:
    net = make_tiny(out_indices=(1,))
    net.body.layer3.register_forward_pre_hook(lambda *_: pytest.fail("layer3 was run"))
    net.body.layer3[0].register_forward_pre_hook(lambda *_: pytest.fail("layer3 was run"))
    assert len(net(torch.rand(1, 3, 32, 32))) == 1
