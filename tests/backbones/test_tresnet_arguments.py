from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from torch import nn

from tresnet_tasks.backbones import ARCHS, TResNet
from tresnet_tasks.layers import ABN


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("tresnet-m", "tresnet_m"), ("tresnet_v2l", "tresnet_v2_l"), ("TResNet_XL", "tresnet_xl")],
)
def test_an_unknown_arch_is_answered_with_all_and_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"arch '{wrong}' is unknown") as error:
        TResNet.feature_spec(wrong)
    assert all(name in str(error.value) for name in ARCHS)
    assert str(error.value).endswith(f"Did you mean {near!r}?")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": (1, 1, 1)}, "four stages"),
        ({"layers": (1, 0, 1, 1)}, "at least one block"),
        ({"blocks": ("basic",) * 3}, "four stages"),
        ({"blocks": ("basic", "basic", "botleneck", "bottleneck")}, "botleneck"),
        ({"width_factor": 0.01}, "no channels"),
        ({"width_factor": 0.1, "blocks": ("bottleneck",) * 4}, "1/8 with bottlenecks"),
        ({"width": 1.0}, r"expected exactly \['layers', 'width_factor', 'blocks'\]"),
    ],
)
def test_a_wrong_arch_dict_is_refused(
    tiny_arch: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TResNet({**tiny_arch, **changes})


@pytest.mark.parametrize("zero", [True, False])
def test_each_block_starts_as_its_shortcut_or_not(tiny_arch: dict[str, Any], zero: bool) -> None:
    net = TResNet(tiny_arch, zero_init_last=zero)
    blocks = [block for stage in net.body[2:] for block in stage]
    assert {block.last_norm.weight.abs().max().item() for block in blocks} == {float(not zero)}


def test_an_arch_from_a_config_with_lists(tiny_arch: dict[str, Any]) -> None:
    listed = {key: list(v) if isinstance(v, tuple) else v for key, v in tiny_arch.items()}
    assert TResNet(ConfigDict(listed)).arch == TResNet(tiny_arch).arch


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"out_indices": ()}, "distinct stages"),
        ({"out_indices": (4,)}, "distinct stages"),
        ({"out_indices": (-1,)}, "distinct stages"),
        ({"out_indices": (1, 1)}, "distinct stages"),
        ({"frozen_stages": 5}, "frozen_stages=5"),
        ({"frozen_stages": -2}, "frozen_stages=-2"),
        ({"drop_path_rate": 1.0}, "drop_path_rate=1.0"),
        ({"abn": "inplace"}, "abn='inplace'"),
    ],
)
def test_arguments_out_of_range_are_refused(
    tiny_arch: dict[str, Any], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TResNet(tiny_arch, **arguments)


def test_slopes_reach_every_layer(make_tiny: Any) -> None:
    net = make_tiny(slopes=(0.3, 0.2))
    slopes = {n: m.slope for n, m in net.named_modules() if isinstance(m, ABN)}
    assert slopes.pop("body.conv1.bn") == 0.3
    inner = {n: slope for n, slope in slopes.items() if slope is not None}
    assert inner and set(inner.values()) == {0.2}
    # Right before an addition nothing is activated.
    assert set(slopes) - set(inner) == {
        *(f"body.layer{stage}.0.conv2.bn" for stage in (1, 2)),
        *(f"body.layer{stage}.0.conv3.bn" for stage in (3, 4)),
        *(f"body.layer{stage}.0.downsample.1.bn" for stage in (2, 3, 4)),
    }


def test_default_slopes_are_the_published_ones(make_tiny: Any) -> None:
    slopes = [m.slope for m in make_tiny().modules() if isinstance(m, ABN)]
    assert slopes[0] == 1e-2
    assert set(slopes[1:]) == {1e-3, None}


def test_initial_parameters_are_the_published_ones(tiny_arch: dict[str, Any]) -> None:
    torch.manual_seed(0)
    net = TResNet({**tiny_arch, "width_factor": 1.0})
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05), name
        elif isinstance(module, ABN):
            last = name.endswith(("layer1.0.conv2.bn", "layer2.0.conv2.bn", "conv3.bn"))
            assert (module.weight == (0 if last else 1)).all(), name
            assert (module.bias == 0).all(), name


def test_a_copy_and_a_pickle_compute_the_same(make_tiny: Any) -> None:
    net = make_tiny(frozen_stages=1, drop_path_rate=0.1).eval()
    x = torch.rand(1, 3, 32, 32)
    expected = net(x)[0]
    assert torch.equal(copy.deepcopy(net)(x)[0], expected)
    assert torch.equal(pickle.loads(pickle.dumps(net))(x)[0], expected)


def test_channels_last_computes_the_same(make_tiny: Any) -> None:
    net = make_tiny(out_indices=(0, 1, 2, 3)).eval()
    x = torch.rand(2, 3, 64, 36)
    expected = net(x)
    last = net.to(memory_format=torch.channels_last)
    feats = last(x.contiguous(memory_format=torch.channels_last))
    for feat, other in zip(feats, expected, strict=True):
        torch.testing.assert_close(feat, other, rtol=1e-4, atol=1e-5)
        assert feat.is_contiguous(memory_format=torch.channels_last)


def test_builds_without_storage(tiny_arch: dict[str, Any]) -> None:
    with torch.device("meta"):
        net = TResNet(tiny_arch, drop_path_rate=0.1)
        assert net(torch.empty(1, 3, 64, 64))[0].shape == (1, 512, 2, 2)


def test_batched_equals_single(make_tiny: Any) -> None:
    net = make_tiny().eval()
    x = torch.rand(3, 3, 32, 32)
    single = torch.cat([net(image[None])[0] for image in x])
    torch.testing.assert_close(net(x)[0], single, rtol=1e-4, atol=1e-5)
