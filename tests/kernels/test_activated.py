"""ABN, blur and gate: the kernels against their twins, the twins against autograd."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tresnet_tasks import kernels
from tresnet_tasks.layers import BlurPool

LAYOUTS = [torch.contiguous_format, torch.channels_last]
SIZES = [(6, 7), (5, 4), (2, 2)]


class _Case(NamedTuple):
    x: Tensor
    norm: kernels.Norm
    kernel: Tensor | None
    grad: Tensor
    gate: tuple[Tensor, Tensor] | None
    terms: tuple[Tensor, Tensor] | None


def _case(
    size: tuple[int, int] = SIZES[0],
    layout: torch.memory_format = LAYOUTS[0],
    blur: bool = True,
    gated: bool = True,
    of_batch: bool = True,
    dtype: torch.dtype = torch.float32,
) -> _Case:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    x = (draw(3, 5, *size) + 1).to(dtype).contiguous(memory_format=layout)
    half = tuple(-(-side // 2) for side in size) if blur else size
    grad = draw(3, 5, *half).to(dtype).contiguous(memory_format=layout)
    mean, var = x.float().mean((0, 2, 3)), x.float().var((0, 2, 3), correction=0)
    weight = draw(5)  # of both signs
    weight[0] = 0
    norm = weight, draw(5), mean, (var + 1e-5).rsqrt()
    gate = (draw(3, 5), draw(3, 5)) if gated else None
    terms = (draw(5), draw(5)) if of_batch else None
    return _Case(x, norm, BlurPool().kernel if blur else None, grad, gate, terms)


def _assert_near(found: Any, expected: Any, dtype: torch.dtype) -> None:
    tolerance = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("blur", [True, False])
def test_each_kernel_equals_its_twin(
    tiles: None, layout: torch.memory_format, size: tuple[int, int], blur: bool
) -> None:
    for gated, slope in ((True, 0.1), (False, None)):
        case = _case(size, layout, blur, gated, of_batch=gated)
        gate = None if case.gate is None else case.gate[0]
        run = case.x, case.norm, slope, case.kernel
        found = kernels.activated_forward(*run, gate)
        assert found.is_contiguous(memory_format=layout)
        _assert_near(found, kernels.activated_forward_plain(*run, gate), torch.float32)
        for grad in (case.grad, None):
            found_sums = kernels.activated_sums(grad, *run, per_image=gated)
            expected = kernels.activated_sums_plain(grad, *run, per_image=gated)
            torch.testing.assert_close(found_sums, expected, rtol=1e-5, atol=1e-4)
        found = kernels.activated_gradient(case.grad, *run, case.gate, case.terms)
        assert found.stride() == case.x.stride()
        expected = kernels.activated_gradient_plain(case.grad, *run, case.gate, case.terms)
        _assert_near(found, expected, torch.float32)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(
    interpreted: None, layout: torch.memory_format, dtype: torch.dtype
) -> None:
    case = _case(layout=layout, dtype=dtype)
    assert case.gate is not None
    run = case.x, case.norm, 0.1, case.kernel
    forward = kernels.activated_forward(*run, case.gate[0])
    gradient = kernels.activated_gradient(case.grad, *run, case.gate, case.terms)
    assert forward.dtype == gradient.dtype == dtype
    _assert_near(forward, kernels.activated_forward_plain(*run, case.gate[0]), dtype)
    expected = kernels.activated_gradient_plain(case.grad, *run, case.gate, case.terms)
    _assert_near(gradient, expected, dtype)
    sums = kernels.activated_sums(case.grad, *run)
    assert sums[0].dtype == torch.float32
    _assert_near(sums, kernels.activated_sums_plain(case.grad, *run), torch.float32)


def test_the_transposed_blur_is_torchs_for_every_small_size(interpreted: None) -> None:
    kernel = BlurPool().kernel
    norm = torch.ones(1), torch.zeros(1), torch.zeros(1), torch.ones(1)
    for height in range(2, 10):
        for width in (height, 11 - height):  # rows and columns are read alike
            x = torch.randn(1, 1, height, width, requires_grad=True)
            out = BlurPool()(x)
            grad = torch.randn_like(out)
            (expected,) = torch.autograd.grad(out, x, grad)
            found = kernels.activated_gradient(grad, x.detach(), norm, None, kernel)
            torch.testing.assert_close(found, expected, msg=f"{height} x {width}")
            blurred = kernels.activated_forward(x.detach(), norm, None, kernel)
            torch.testing.assert_close(blurred, out.detach(), msg=f"{height} x {width}")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_more_channels_than_a_tile_holds(interpreted: None, layout: torch.memory_format) -> None:
    x = torch.randn(2, 70, 9, 9).contiguous(memory_format=layout)
    norm = torch.randn(70), torch.randn(70), torch.randn(70), torch.rand(70)
    grad = torch.randn(2, 70, 5, 5)  # contiguous: copied to the layout of x
    run = x, norm, 0.1, BlurPool().kernel
    _assert_near(
        kernels.activated_forward(*run), kernels.activated_forward_plain(*run), torch.float32
    )
    for per_image in (True, False):
        found = kernels.activated_sums(grad, *run, per_image=per_image)
        expected = kernels.activated_sums_plain(grad, *run, per_image=per_image)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


def test_what_is_not_a_number_stays_so(interpreted: None) -> None:
    case = _case(blur=False, gated=False)
    case.x[0, 0, 0, 0] = torch.nan
    found = kernels.activated_forward(case.x, case.norm, 0.1)
    assert found.isnan().nonzero().tolist() == [[0, 0, 0, 0]]


def test_an_empty_batch(interpreted: None) -> None:
    case = _case()
    run = case.x[:0], case.norm, 0.1, case.kernel
    assert kernels.activated_forward(*run).shape == (0, 5, 3, 4)
    assert kernels.activated_gradient(case.grad[:0], *run).shape == (0, 5, 6, 7)
    for per_image, images in ((True, 0), (False, 1)):
        for found in kernels.activated_sums(case.grad[:0], *run, per_image=per_image):
            assert torch.equal(found, torch.zeros(images, 5))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("blur", [True, False])
def test_the_twins_are_what_autograd_says(size: tuple[int, int], blur: bool) -> None:
    case = _case(size, blur=blur)
    assert case.gate is not None
    x, weight, bias, gate, grad = (
        t.double() for t in (case.x, *case.norm[:2], case.gate[0], case.grad)
    )
    leaves = [t.requires_grad_() for t in (x, weight, bias, gate)]
    y = F.leaky_relu(F.batch_norm(x, None, None, weight, bias, training=True), 0.1)
    out = BlurPool().double()(y) if blur else y
    out = out * gate[..., None, None]
    d_x, d_weight, d_bias, d_gate = torch.autograd.grad(out, leaves, grad)

    x, weight, bias, gate = (t.detach() for t in leaves)
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    norm = weight, bias, mean, (var + 1e-5).rsqrt()
    kernel = None if case.kernel is None else case.kernel.double()
    torch.testing.assert_close(kernels.activated_forward_plain(x, norm, 0.1, kernel, gate), out)
    of_grad, of_product = kernels.activated_sums_plain(grad, x, norm, 0.1, kernel, per_image=True)
    torch.testing.assert_close(of_product * weight * norm[3] + of_grad * bias, d_gate)
    of_grad, of_product = (of_grad * gate).sum(0), (of_product * gate).sum(0) * norm[3]
    torch.testing.assert_close((of_product, of_grad), (d_weight, d_bias))
    terms = kernels.terms_of_batch(d_weight, d_bias, norm, x.numel() // 5)
    found = kernels.activated_gradient_plain(
        grad, x, norm, 0.1, kernel, (gate, torch.zeros_like(gate)), terms
    )
    torch.testing.assert_close(found, d_x)
