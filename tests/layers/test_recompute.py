"""The memory path against the plain one: the same numbers, with less kept for the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tresnet_tasks.backbones.residual_blocks import BasicBlock, Bottleneck
from tresnet_tasks.layers import ABN
from tresnet_tasks.layers.moments import channel_moments

Blocks = tuple[nn.Module, nn.Module]
KINDS = {
    "basic": (BasicBlock, 6, 6, 1),
    "basic, strided": (BasicBlock, 4, 6, 2),
    "bottleneck": (Bottleneck, 16, 4, 1),
    "bottleneck, strided": (Bottleneck, 8, 4, 2),
}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(kind: str) -> Callable[..., Blocks]:
    """A function that gives a plain block and a recomputing one with the same random numbers."""

    def blocks(**kwargs: Any) -> Blocks:
        block, in_channels, planes, stride = KINDS[kind]
        made = []
        for recompute in (False, True):
            torch.manual_seed(0)
            module = block(in_channels, planes, stride, slope=0.1, recompute=recompute, **kwargs)
            for norm in module.modules():
                if isinstance(norm, ABN):
                    nn.init.normal_(norm.weight)  # of both signs
                    norm.weight.data[0] = 0
                    nn.init.normal_(norm.bias)
                    norm.running_mean.normal_()
                    norm.running_var.uniform_(0.5, 2)
            made.append(module.double().train())
        return made[0], made[1]

    return blocks


@pytest.fixture
def x(kind: str) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(3, KINDS[kind][1], 7, 10, dtype=torch.float64)


def _run(block: nn.Module, x: Tensor, times: int = 1) -> dict[str, Tensor]:
    """Outputs, gradients and statistics after a forward and a backward pass."""
    block.zero_grad()
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    torch.manual_seed(2)  # drop path draws the same
    out = x
    for _ in range(times):
        out = block(out)
    weights = torch.randn(
        out.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64
    )
    (out * weights.to(out.dtype)).sum().backward()
    gradients = {f"d_{name}": p.grad for name, p in block.named_parameters()}
    return {"out": out.detach(), "d_x": x.grad, **gradients, **dict(block.named_buffers())}


def _assert_same(blocks: Blocks, x: Tensor, tolerance: float = 1e-9, **kwargs: Any) -> None:
    plain, memory = (_run(block, x, **kwargs) for block in blocks)
    for name, expected in plain.items():
        if expected is None:
            assert memory[name] is None, name
            continue
        difference = (memory[name] - expected).double().norm()
        assert difference <= tolerance * expected.double().norm().clamp(min=1e-3), name


def test_same_outputs_gradients_and_statistics_in_training(make: Any, x: Tensor) -> None:
    _assert_same(make(), x)


def test_same_in_float32(make: Any, x: Tensor) -> None:
    plain, memory = make()
    _assert_same((plain.float(), memory.float()), x.float(), tolerance=1e-4)


def test_same_without_squeeze_excite(make: Any, x: Tensor) -> None:
    _assert_same(make(use_se=False), x)


def test_same_paths_are_dropped(make: Any, x: Tensor) -> None:
    _assert_same(make(drop_path_rate=0.5), x)


def test_same_with_frozen_statistics(make: Any, x: Tensor) -> None:
    plain, memory = make()
    for block in (plain, memory):
        for norm in block.modules():
            if isinstance(norm, ABN):
                norm.eval()
    _assert_same((plain, memory), x)


def test_same_with_frozen_convolutions(make: Any, x: Tensor) -> None:
    plain, memory = make()
    for block in (plain, memory):
        for conv in block.modules():
            if isinstance(conv, nn.Conv2d):
                conv.requires_grad_(False)
    _assert_same((plain, memory), x)


def test_same_statistics_as_a_plain_average(make: Any, x: Tensor) -> None:
    plain, memory = make()
    for block in (plain, memory):
        for norm in block.modules():
            if isinstance(norm, ABN):
                norm.momentum = None
    _run(plain, x)
    _run(memory, x)
    _assert_same((plain, memory), x + 1)


def test_same_in_channels_last(make: Any, x: Tensor) -> None:
    last = x.contiguous(memory_format=torch.channels_last)
    plain, memory = (block.to(memory_format=torch.channels_last) for block in make())
    _assert_same((plain, memory), last)
    assert memory(last).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("view", [lambda x: x[:, :, ::2, 1:], lambda x: x.expand(3, -1, -1, -1)])
def test_same_for_a_view(make: Any, x: Tensor, view: Callable[[Tensor], Tensor]) -> None:
    _assert_same(make(), view(x[:1]))


def test_same_for_one_image(make: Any, x: Tensor) -> None:
    _assert_same(make(), x[:1])


def test_same_for_no_image(make: Any, x: Tensor) -> None:
    _assert_same(make(), x[:0])


def test_a_block_that_is_used_twice_counts_twice() -> None:
    blocks = []
    for recompute in (False, True):
        torch.manual_seed(0)
        blocks.append(Bottleneck(16, 4, slope=0.1, recompute=recompute).double())
    _assert_same((blocks[0], blocks[1]), torch.randn(2, 16, 5, 5, dtype=torch.float64), times=2)
    assert blocks[1].conv1.bn.num_batches_tracked == 2


def test_same_under_autocast(make: Any, x: Tensor) -> None:
    plain, memory = (block.float() for block in make())
    with torch.autocast("cpu", torch.bfloat16):
        # Their roundings differ; a wrong formula differs by far more.
        _assert_same((plain, memory), x.bfloat16(), tolerance=0.05)
    assert all(p.grad.dtype == torch.float32 for p in memory.parameters())


def test_a_network_in_bfloat16_is_as_near_to_float64_as_the_plain_one(make: Any, x: Tensor) -> None:
    plain, memory = make()
    expected = _run(plain, x)
    found = [_run(block.bfloat16(), x.bfloat16()) for block in (plain, memory)]
    assert all(value.dtype == torch.bfloat16 for value in found[1].values() if value.dim())
    for name in ("out", "d_x"):
        far, near = ((run[name].double() - expected[name]).norm() for run in found)
        assert near <= 2 * far + 0.02 * expected[name].norm(), name


def test_evaluation_takes_the_plain_way(make: Any, x: Tensor) -> None:
    plain, memory = (block.eval() for block in make())
    assert torch.equal(memory(x), plain(x))


def test_a_zero_initialised_weight_receives_a_gradient(make: Any, x: Tensor) -> None:
    _, memory = make()
    nn.init.zeros_(memory.last_norm.weight)
    _run(memory, x)
    assert (memory.last_norm.weight.grad != 0).any()


def test_an_output_that_is_changed_in_place_is_autograds_error(make: Any, x: Tensor) -> None:
    out = make()[1](x)
    with torch.no_grad():
        out.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_a_second_derivative_is_refused_with_the_path_that_has_it(make: Any, x: Tensor) -> None:
    out = make()[1](x.requires_grad_())
    with pytest.raises(RuntimeError, match="abn='plain'"):
        torch.autograd.grad(out.square().sum(), x, create_graph=True)


def test_the_plain_path_has_second_derivatives(make: Any, x: Tensor) -> None:
    x.requires_grad_()
    (d_x,) = torch.autograd.grad(make()[0](x).square().sum(), x, create_graph=True)
    d_x.square().sum().backward()
    assert x.grad is not None


def test_a_single_value_a_channel_is_refused() -> None:
    block = Bottleneck(16, 4, recompute=True)
    with pytest.raises(ValueError, match="one value a channel"):
        block(torch.randn(1, 16, 1, 1))


def test_keeps_the_outputs_of_the_convolutions_and_its_own(make: Any, kind: str, x: Tensor) -> None:
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 8
        return tensor

    block = make()[1]
    own = {p.untyped_storage().data_ptr() for p in [*block.parameters(), *block.buffers()]}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = block(x)
    expected = x.numel() + out.numel()
    steps = [block.conv1, block.conv2]
    for step in steps:  # before the blur, if there is one: at full size
        size = 7 * 10 if step is block.conv1 or isinstance(block, Bottleneck) else out[0, 0].numel()
        expected += 3 * step.conv.out_channels * size
    if block.downsample is not None:
        expected += out.numel()
    vectors = 20 * out.shape[1]  # statistics and the like
    kept_values = sum(size for pointer, size in kept.items() if pointer not in own)
    assert expected <= kept_values <= expected + vectors


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_moments_are_those_of_each_channel(dtype: torch.dtype, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    x = (torch.randn(3, 5, 7, 6) + 10).to(dtype).contiguous(memory_format=layout)
    mean, var = channel_moments(x)
    torch.testing.assert_close(mean.double(), x.double().mean((0, 2, 3)), rtol=1e-5, atol=0)
    expected = x.double().var((0, 2, 3), correction=0)
    torch.testing.assert_close(var.double(), expected, rtol=1e-4, atol=0)


def test_statistics_equal_those_of_batch_norm() -> None:
    torch.manual_seed(0)
    abn, x = ABN(3), torch.randn(2, 3, 4, 4)
    mean, var = torch.zeros(3), torch.ones(3)
    F.batch_norm(x, mean, var, training=True, momentum=0.1)
    abn.track(*channel_moments(x), 32)
    torch.testing.assert_close(abn.running_mean, mean)
    torch.testing.assert_close(abn.running_var, var)
