"""What the memory path computes in another way than torch's layers: products of matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tresnet_tasks.backbones.residual_blocks import Bottleneck
from tresnet_tasks.layers import ABN, BlurPool
from tresnet_tasks.layers.recompute import pointwise_conv
from tresnet_tasks.layers.recompute.pointwise_norm import pointwise_norm

SIZES = [(2, 2), (8, 6), (7, 10), (5, 3)]
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def _norm(channels: int) -> ABN:
    norm = ABN(channels)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("offset", [0.0, 30.0])  # in standard deviations
def test_the_norm_of_a_convolution_follows_from_its_input(
    layout: torch.memory_format, offset: float
) -> None:
    torch.manual_seed(0)
    z = (torch.randn(3, 6, 8, 7) + offset).contiguous(memory_format=layout)
    conv, norm, grad = nn.Conv2d(6, 24, 1, bias=False), _norm(24), torch.randn(3, 24, 8, 7)
    exact_z = z.double().requires_grad_()
    exact_conv, exact_norm = nn.Conv2d(6, 24, 1, bias=False).double(), ABN(24).double()
    exact_conv.load_state_dict(conv.state_dict())
    exact_norm.load_state_dict(norm.state_dict())
    expected = exact_norm(exact_conv(exact_z))
    expected.backward(grad.double())

    described = pointwise_norm(z, conv.weight.detach(), norm)  # z loses its mean
    with torch.no_grad():
        found = [described.forward(z), *described.backward(grad, z)]
    grads = [exact_z.grad, exact_conv.weight.grad, exact_norm.weight.grad, exact_norm.bias.grad]
    statistics = [
        (getattr(n, name)) for n in (norm, exact_norm) for name in ("running_mean", "running_var")
    ]
    for value, exact in zip(
        [*found, *statistics[:2]], [expected, *grads, *statistics[2:]], strict=True
    ):
        assert value is not None and exact is not None
        assert (value.double() - exact).norm() <= 1e-4 * exact.norm()


def test_an_output_of_few_positions_is_kept_with_the_same_results() -> None:
    x = torch.randn(1, 16, 2, 3, dtype=torch.float64)  # 6 positions for 16 channels
    results = []
    for recompute in (False, True):
        torch.manual_seed(0)
        block = Bottleneck(16, 4, recompute=recompute).double()
        x = x.detach().requires_grad_()
        block(x).square().sum().backward()
        results.append([x.grad, *(p.grad for p in block.parameters())])
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pointwise_convolution_equals_torchs(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(5, 8, 1, bias=False).double().to(memory_format=layout)
    x = torch.randn(2, 5, 4, 3, dtype=torch.float64).contiguous(memory_format=layout)
    results = []
    for run in (conv, lambda x: pointwise_conv(x, conv)):
        conv.zero_grad()
        leaf = x.detach().requires_grad_()
        out = run(leaf)
        out.square().sum().backward()
        assert out.is_contiguous(memory_format=layout)
        results.append((out, leaf.grad, conv.weight.grad))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("size", SIZES)
def test_blurs_alike_in_both_layouts(size: tuple[int, int]) -> None:
    def run(layout: torch.memory_format) -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        x = torch.randn(2, 3, *size, dtype=torch.float64).contiguous(memory_format=layout)
        out = BlurPool().double()(x.requires_grad_())
        (d_x,) = torch.autograd.grad(out.square().sum(), x)
        return out, d_x

    for contiguous, last in zip(*map(run, LAYOUTS), strict=True):
        torch.testing.assert_close(contiguous, last)


@pytest.mark.slow
def test_two_hundred_steps_in_bfloat16_follow_the_plain_curve() -> None:
    from tresnet_tasks.backbones import TResNet

    curves = []
    for abn in ("plain", "memory"):
        torch.manual_seed(0)
        blocks = ("basic", "basic", "bottleneck", "bottleneck")
        net = TResNet(dict(layers=(1, 1, 2, 1), width_factor=0.25, blocks=blocks), abn=abn)
        head = nn.Linear(net.arch.channels[-1], 8)
        optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.01, momentum=0.9)
        images, labels = torch.rand(64, 3, 32, 32), torch.arange(64) % 8
        losses = []
        for step in range(200):
            batch = torch.arange(16) + 16 * (step % 4)
            with torch.autocast("cpu", torch.bfloat16):
                logits = head(net(images[batch])[-1].mean((2, 3)))
            loss = F.cross_entropy(logits.float(), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        curves.append(torch.stack(losses).view(10, 20).mean(1))  # over 20 steps each
    assert curves[0][-1] < 0.5 * curves[0][0]  # it learns
    assert (curves[0] - curves[1]).abs().max() < 0.1 * curves[0][0]
