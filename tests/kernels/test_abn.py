"""The kernels against their plain twins, in Triton's interpreter: no GPU is needed."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor

from tresnet_tasks import kernels
from tresnet_tasks.kernels import availability

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def _tensors(layout: torch.memory_format, dtype: torch.dtype) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)

    def draw(*size: int) -> Tensor:
        return torch.randn(size, generator=generator)

    x, grad = ((draw(3, 5, 6, 7) + 1).to(dtype).contiguous(memory_format=layout) for _ in range(2))
    mean, var = x.float().mean((0, 2, 3)), x.float().var((0, 2, 3), correction=0)
    weight = draw(5)  # of both signs
    weight[0] = 0
    return grad, x, weight, draw(5), mean, (var + 1e-5).rsqrt()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("slope", [None, 1e-2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_forward_equals_its_twin(
    tiles: None, layout: torch.memory_format, slope: float | None, dtype: torch.dtype
) -> None:
    _, *tensors = _tensors(layout, dtype)
    out = kernels.abn_forward(*tensors, slope)
    expected = kernels.abn_forward_plain(*tensors, slope)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    torch.testing.assert_close(out, expected, rtol=tolerance, atol=tolerance)
    assert out.stride() == tensors[0].stride()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("slope", [None, 1e-2])
@pytest.mark.parametrize("of_batch", [True, False])
def test_backward_equals_its_twin(
    tiles: None, layout: torch.memory_format, slope: float | None, of_batch: bool
) -> None:
    tensors = _tensors(layout, torch.float32)
    found = kernels.abn_backward(*tensors, slope, of_batch)
    expected = kernels.abn_backward_plain(*tensors, slope, of_batch)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_gradient_of_another_layout_is_taken(interpreted: None) -> None:
    grad, *tensors = _tensors(torch.channels_last, torch.float32)
    for other in (grad.contiguous(), torch.ones(1, 1, 1, 1).expand_as(grad)):
        found = kernels.abn_backward(other, *tensors, 1e-2, True)
        expected = kernels.abn_backward_plain(other.clone(), *tensors, 1e-2, True)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_twin_of_the_backward_pass_is_autograds() -> None:
    grad, x, weight, bias, _, _ = (t.double() for t in _tensors(LAYOUTS[0], torch.float32))
    inputs = [t.requires_grad_() for t in (x, weight, bias)]
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    out = torch.nn.functional.batch_norm(x, None, None, weight, bias, training=True)
    expected = torch.autograd.grad(torch.nn.functional.leaky_relu(out, 0.1), inputs, grad)
    detached = [t.detach() for t in (x, weight, bias, mean, (var + 1e-5).rsqrt())]
    found = kernels.abn_backward_plain(grad, *detached, 0.1, True)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("value", [None, "", "0", "false", "Off"])
def test_without_the_switch_there_are_no_kernels(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv(availability.SWITCH, raising=False)
    if value is not None:
        monkeypatch.setenv(availability.SWITCH, value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not kernels.has_kernels(torch.zeros(1, 1, 1, 1))


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (torch.zeros(1, 1, 1, 1, dtype=torch.float64), "float64"),
        (torch.zeros(2, 3, 4, 8)[..., ::2], "contiguous"),
    ],
)
def test_what_has_no_kernel_falls_back_and_says_so_once(
    interpreted: None, x: Tensor, reason: str
) -> None:
    availability._say.cache_clear()
    with pytest.warns(UserWarning, match=reason):
        assert not kernels.has_kernels(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not kernels.has_kernels(x)
