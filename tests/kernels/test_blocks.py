"""Whole blocks of the memory path, with the kernels against without."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tresnet_tasks.backbones.residual_blocks import BasicBlock, Bottleneck
from tresnet_tasks.kernels import availability
from tresnet_tasks.layers import ABN

LAYOUTS = [torch.contiguous_format, torch.channels_last]
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
def with_wide_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a bottleneck in single precision as it is in half precision."""
    module = importlib.import_module("tresnet_tasks.layers.recompute.bottleneck_end")
    monkeypatch.setattr(module, "follows_from_input", lambda z, abn: False)


@pytest.fixture
def launches(interpreted: None, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each kernel is launched."""
    counts: Counter[str] = Counter()

    class Counted:
        def __init__(self, name: str, kernel: Any) -> None:
            self.name, self.kernel = name, kernel

        def __getitem__(self, grid: Any) -> Any:
            counts[self.name] += 1
            return self.kernel[grid]

    for family in ("abn", "addition"):
        module = importlib.import_module(f"tresnet_tasks.kernels.{family}_triton")
        for name in [name for name in vars(module) if name.endswith("_kernel")]:
            counted = Counted(family + name.removesuffix("_kernel"), getattr(module, name))
            monkeypatch.setattr(module, name, counted)
    return counts


def _block(kind: str, **kwargs: Any) -> nn.Module:
    torch.manual_seed(0)
    block, in_channels, planes, stride = KINDS[kind]
    made: nn.Module = block(in_channels, planes, stride, slope=0.1, recompute=True, **kwargs)
    for norm in _norms(made):
        nn.init.normal_(norm.weight)  # of both signs
        norm.weight.data[0] = 0
        nn.init.normal_(norm.bias)
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return made.train()


def _norms(block: nn.Module) -> list[ABN]:
    return [module for module in block.modules() if isinstance(module, ABN)]


def _images(kind: str, layout: torch.memory_format = LAYOUTS[0], count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, KINDS[kind][1], 5, 6, generator=generator)[:count]
    return x.contiguous(memory_format=layout)


def _run(block: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Outputs, gradients and statistics after a forward and a backward pass."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    torch.manual_seed(2)  # drop path draws the same
    out = block(x)
    (out * torch.randn(out.shape).to(out.dtype)).sum().backward()
    gradients = {f"d_{name}": p.grad for name, p in block.named_parameters()}
    return {"out": out.detach(), "d_x": x.grad, **gradients, **dict(block.named_buffers())}  # type: ignore[dict-item]


def _without(block: nn.Module, x: Tensor) -> dict[str, Tensor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(availability.SWITCH)
        return _run(block, x)


def _assert_same(
    kind: str,
    layout: torch.memory_format = LAYOUTS[0],
    frozen: slice = slice(0),
    images: int = 3,
    **kwargs: Any,
) -> None:
    blocks = [_block(kind, **kwargs).to(memory_format=layout) for _ in range(2)]
    for block in blocks:
        for norm in _norms(block)[frozen]:
            norm.eval()
    x = _images(kind, layout, images)
    found, expected = _run(blocks[0], x), _without(blocks[1], x)
    for name, value in expected.items():
        difference = (found[name] - value).double().norm()
        assert difference <= 1e-4 * value.double().norm().clamp(min=1e-2), name
    assert all(found[name].is_contiguous(memory_format=layout) for name in ("out", "d_x"))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("use_se", "drop_path_rate"), [(True, 0.5), (False, 0.0)])
def test_the_kernels_give_the_same(
    interpreted: None,
    with_wide_outputs: None,
    kind: str,
    layout: torch.memory_format,
    use_se: bool,
    drop_path_rate: float,
) -> None:
    _assert_same(kind, layout, use_se=use_se, drop_path_rate=drop_path_rate)


@pytest.mark.parametrize(
    ("layout", "frozen"), [(LAYOUTS[0], slice(None)), (LAYOUTS[1], slice(-1, None))]
)
def test_the_same_with_frozen_statistics(
    interpreted: None,
    with_wide_outputs: None,
    kind: str,
    layout: torch.memory_format,
    frozen: slice,
) -> None:
    _assert_same(kind, layout, frozen)


def test_the_same_for_a_branch_that_comes_normalised(interpreted: None, kind: str) -> None:
    _assert_same(kind)


def test_the_same_for_no_image(interpreted: None, kind: str) -> None:
    _assert_same(kind, images=0)


@pytest.mark.parametrize(
    ("layout", "dtype"), [(LAYOUTS[0], torch.bfloat16), (LAYOUTS[1], torch.float16)]
)
def test_half_precision_is_as_near_to_float64_as_without(
    interpreted: None, kind: str, layout: torch.memory_format, dtype: torch.dtype
) -> None:
    # Triton's interpreter cuts float32 off to bfloat16, where a GPU rounds to the nearest.
    x = _images(kind, layout).to(dtype)
    block = _block(kind).to(dtype)
    found = _run(block, x)
    block.zero_grad()
    plain = _without(block, x)
    exact = _without(block.double(), x.double())
    assert found["out"].dtype == found["d_x"].dtype == dtype
    near, far = ((run["out"].double() - exact["out"]).norm() for run in (found, plain))
    assert near <= (1.2 if dtype == torch.float16 else 2) * far
    # The gradient jumps where a value is rounded to the other side of zero, in either run.
    near, far = ((run["d_x"].double() - exact["d_x"]).norm() for run in (found, plain))
    assert near <= 2 * far + 0.1 * exact["d_x"].norm()


@pytest.mark.parametrize("use_se", [True, False])
def test_each_pass_is_one_launch(
    launches: Counter[str], with_wide_outputs: None, kind: str, use_se: bool
) -> None:
    _run(_block(kind, use_se=use_se), _images(kind))
    end = {f"addition_{name}": 1 for name in ("forward", "sums", "gradients")}
    # After the first convolution: forward, and again for the backward pass; then two.
    expected = {"abn_forward": 2, "abn_sums": 1, "abn_gradient": 1, **end}
    if kind.startswith("bottleneck"):  # after the second one too, with a pass for the gate's input
        means = 2 if use_se else 0
        expected |= {"abn_forward": 4, "abn_sums": 2 + means, "abn_gradient": 2}
    assert launches == expected


def test_none_is_launched_without_the_switch(launches: Counter[str], kind: str) -> None:
    _without(_block(kind), _images(kind))
    assert not launches
