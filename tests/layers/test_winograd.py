"""Winograd's convolutions against the definition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tresnet_tasks.backbones.residual_blocks import Bottleneck
from tresnet_tasks.layers import PackedConv, winograd
from tresnet_tasks.layers.recompute import convolution
from tresnet_tasks.upstream import onednn

SIZES = [(1, 1), (2, 3), (4, 4), (7, 7), (8, 13), (14, 5)]


@pytest.fixture(params=SIZES, ids=str)
def x(request: pytest.FixtureRequest) -> Tensor:
    torch.manual_seed(0)
    x = torch.randn(3, 5, *request.param, dtype=torch.float64, requires_grad=True)
    return x.contiguous(memory_format=torch.channels_last)


@pytest.fixture
def weight() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(6, 5, 3, 3, dtype=torch.float64, requires_grad=True)


@pytest.fixture(params=[1, 8, 512], ids="{} positions at once".format)
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "_ROWS", request.param)


@pytest.mark.usefixtures("at_once")
def test_the_result_is_the_convolution(x: Tensor, weight: Tensor) -> None:
    with torch.no_grad():
        out = winograd.winograd_conv(x, winograd.winograd_filters(weight))
        torch.testing.assert_close(out, F.conv2d(x, weight, padding=1), rtol=1e-11, atol=1e-11)
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.usefixtures("at_once")
def test_the_gradients_are_those_of_the_convolution(x: Tensor, weight: Tensor) -> None:
    out = F.conv2d(x, weight, padding=1)
    grad = torch.randn(out.shape, dtype=out.dtype).contiguous(memory_format=torch.channels_last)
    of_x, of_weight = torch.autograd.grad(out, (x, weight), grad)
    with torch.no_grad():
        found = winograd.winograd_input_gradient(grad, weight)
        torch.testing.assert_close(found, of_x, rtol=1e-11, atol=1e-11)
        found = winograd.winograd_weight_gradient(grad, x)
        torch.testing.assert_close(found, of_weight, rtol=1e-11, atol=1e-11)


def test_rounding_stays_small() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 256, 14, 14).contiguous(memory_format=torch.channels_last)
    weight = (torch.randn(256, 256, 3, 3) / 48).requires_grad_()  # a variance of 1 in the result
    out = winograd.winograd_conv(x, winograd.winograd_filters(weight.detach()))
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    assert (out - exact).abs().max() < 1e-4
    assert (out - exact).pow(2).mean().sqrt() < 5e-6
    grad = torch.randn(out.shape).contiguous(memory_format=torch.channels_last)
    (of_weight,) = torch.autograd.grad(exact, weight, grad.double())
    apart = winograd.winograd_weight_gradient(grad, x) - of_weight
    assert apart.pow(2).mean().sqrt() < 1e-5 * of_weight.pow(2).mean().sqrt()


@pytest.mark.parametrize(
    "what", ["channels", "positions", "layout", "double", "half", "kernel", "autocast"]
)
def test_it_is_taken_where_it_pays_alone(what: str) -> None:
    channels = 128 if what == "channels" else 256
    x = torch.zeros(2, channels, 8 if what == "positions" else 28, 28)
    x = x.contiguous(memory_format=torch.channels_last)
    weight = torch.zeros(256, channels, *[1 if what == "kernel" else 3] * 2)
    if what == "layout":
        x = x.contiguous()
    if what in ("double", "half"):
        x, weight = (t.to(getattr(torch, what)) for t in (x, weight))
    with torch.autocast("cpu", torch.bfloat16, enabled=what == "autocast"):
        assert not winograd.winograd_pays(x, weight)


def test_it_is_taken_with_many_channels_and_positions() -> None:
    x = torch.zeros(2, 256, 28, 28).contiguous(memory_format=torch.channels_last)
    pays = winograd.winograd_pays(x, torch.zeros(256, 256, 3, 3))
    assert pays is torch.backends.mkl.is_available()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken whatever it costs."""
    monkeypatch.setattr(winograd, "_CHANNELS", 1)
    monkeypatch.setattr(winograd, "_LEAST_ROWS", 1)
    if not torch.backends.mkl.is_available():
        pytest.skip("this torch comes without MKL, where it is never taken")


@pytest.mark.usefixtures("taken")
def test_a_block_learns_as_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    for name in ("winograd_conv", "winograd_input_gradient", "winograd_weight_gradient"):
        function = getattr(convolution, name)
        monkeypatch.setattr(
            convolution, name, lambda *a, f=function, name=name: (calls.append(name), f(*a))[1]
        )
    torch.manual_seed(1)
    images = torch.randn(2, 16, 9, 10)
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        block = Bottleneck(16, 4, recompute=recompute).train()
        nn.init.ones_(block.last_norm.weight)
        x = images.clone().contiguous(memory_format=torch.channels_last).requires_grad_()
        out = block(x)
        out.square().sum().backward()
        found.append([out, x.grad, *(p.grad for p in block.parameters())])
    assert len(calls) == 3
    for plain, other in zip(*found, strict=True):
        torch.testing.assert_close(
            other, plain, rtol=1e-4, atol=1e-4 * float(plain.detach().abs().max())
        )


@pytest.mark.usefixtures("taken")
def test_an_empty_batch_is_the_convolutions_own_affair() -> None:
    x = torch.zeros(0, 4, 8, 8).contiguous(memory_format=torch.channels_last)
    assert convolution.conv2d(x, torch.zeros(6, 4, 3, 3)).shape == (0, 6, 8, 8)


@pytest.mark.usefixtures("taken")
@pytest.mark.skipif(not onednn.has_fused_convolutions(), reason="this torch comes without oneDNN")
def test_a_packed_convolution_takes_it() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3, padding=1)
    x, shortcut = torch.randn(2, 4, 9, 7), torch.randn(2, 6, 9, 7)
    packed = PackedConv(conv, 0.1)
    with torch.inference_mode():
        expected = conv(x)
        leaky = F.leaky_relu(expected, 0.1)
        torch.testing.assert_close(packed(x), leaky, rtol=1e-4, atol=1e-4)
        added = (expected + shortcut).relu()
        torch.testing.assert_close(packed(x, shortcut), added, rtol=1e-4, atol=1e-4)
    assert packed._filters is not None


@pytest.mark.usefixtures("taken")
@pytest.mark.skipif(not onednn.has_fused_convolutions(), reason="this torch comes without oneDNN")
@pytest.mark.parametrize(("kernel", "padding"), [(3, 0), (1, 0)])
def test_another_packed_convolution_does_not(kernel: int, padding: int) -> None:
    conv = nn.Conv2d(4, 6, kernel, padding=padding)
    packed = PackedConv(conv)
    x = torch.randn(2, 4, 9, 7)
    with torch.inference_mode():
        torch.testing.assert_close(packed(x), conv(x))
    assert packed._filters is None and packed._plain is None
