"""The end of a block: the kernels against their twins, the twins against autograd."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tresnet_tasks import kernels

LAYOUTS = [torch.contiguous_format, torch.channels_last]
SIZES = [(6, 7), (1, 1)]


class _Case(NamedTuple):
    grad: Tensor
    out: Tensor
    x: Tensor
    shortcut: Tensor
    norm: kernels.Norm
    shortcut_norm: kernels.Norm | None
    factor: Tensor | None
    of_branch: kernels.InputGradient
    of_shortcut: kernels.InputGradient | None


def _case(
    size: tuple[int, int] = SIZES[0],
    layout: torch.memory_format = LAYOUTS[0],
    normed: bool = True,
    factored: bool = True,
    of_batch: bool = True,
    dtype: torch.dtype = torch.float32,
) -> _Case:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    def norm() -> kernels.Norm:
        return draw(5), draw(5), draw(5), draw(5).exp()

    def gradient(*shape: int) -> kernels.InputGradient:
        of_x = draw(5) if of_batch else None
        return kernels.InputGradient(draw(*shape), of_x, draw(*shape), draw(5))

    large = [draw(3, 5, *size).to(dtype).contiguous(memory_format=layout) for _ in range(4)]
    large[1].relu_()
    return _Case(
        *large,
        norm(),
        norm() if normed else None,
        draw(3, 5) if factored else None,
        gradient(3, 5),
        gradient(5) if normed else None,
    )


def _run(case: _Case, twin: str = "") -> list[Tensor]:
    forward, sums, gradients = (
        getattr(kernels, f"addition_{name}{twin}") for name in ("forward", "sums", "gradients")
    )
    mean2 = None if case.shortcut_norm is None else case.shortcut_norm[2]
    large = case.grad, case.out, case.x
    return [
        forward(case.x, case.norm, case.shortcut, case.shortcut_norm, case.factor),
        *gradients(*large, case.shortcut, case.of_branch, case.of_shortcut),
        *sums(*large, case.norm[2], case.shortcut, mean2),
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize("of_batch", [True, False])
def test_each_kernel_equals_its_twin(
    tiles: None,
    layout: torch.memory_format,
    size: tuple[int, int],
    normed: bool,
    factored: bool,
    of_batch: bool,
) -> None:
    case = _case(size, layout, normed, factored, of_batch)
    found = _run(case)
    torch.testing.assert_close(found, _run(case, "_plain"), rtol=1e-5, atol=1e-4)
    assert all(value.stride() == case.x.stride() for value in found[:3])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(
    interpreted: None, layout: torch.memory_format, dtype: torch.dtype
) -> None:
    case = _case(layout=layout, dtype=dtype)
    found, expected = _run(case), _run(case, "_plain")
    assert [value.dtype for value in found] == [dtype] * 3 + [torch.float32] * 4
    tolerance = 2e-3 if dtype == torch.float16 else 2e-2
    torch.testing.assert_close(found[:3], expected[:3], rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(found[3:], expected[3:], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_layouts_are_copied_to_that_of_x(
    interpreted: None, layout: torch.memory_format
) -> None:
    case = _case(layout=layout)
    other = next(candidate for candidate in LAYOUTS if candidate != layout)
    large = (t.contiguous(memory_format=other) for t in (case.grad, case.out))
    mixed = case._replace(shortcut=case.shortcut[:, :1].expand_as(case.x))
    mixed = mixed._replace(**dict(zip(("grad", "out"), large, strict=True)))
    torch.testing.assert_close(_run(mixed), _run(mixed, "_plain"), rtol=1e-5, atol=1e-4)


def test_what_is_not_a_number_stays_so(interpreted: None) -> None:
    case = _case()
    case.x[0, 0, 0, 0] = torch.nan
    out = kernels.addition_forward(case.x, case.norm, case.shortcut, case.shortcut_norm, None)
    assert out.isnan().nonzero().tolist() == [[0, 0, 0, 0]]


def test_an_empty_batch(interpreted: None) -> None:
    case = _case(factored=False)
    case = case._replace(**{name: getattr(case, name)[:0] for name in _Case._fields[:4]})
    found = _run(case)
    assert [value.shape for value in found] == [(0, 5, 6, 7)] * 3 + [(0, 5)] * 4


@pytest.mark.parametrize("normed", [True, False])
def test_the_twins_are_what_autograd_says(normed: bool) -> None:
    torch.manual_seed(0)
    x, shortcut, grad = (torch.randn(3, 5, 6, 7, dtype=torch.float64) + 1 for _ in range(3))
    vectors = torch.randn(4, 5, dtype=torch.float64)
    factor = torch.rand(3, 5, dtype=torch.float64)
    leaves = [t.requires_grad_() for t in (x, shortcut, *vectors.unbind(), factor)]
    branch = F.batch_norm(x, None, None, leaves[2], leaves[3], training=True)
    other = shortcut
    if normed:
        other = F.batch_norm(shortcut, None, None, leaves[4], leaves[5], training=True)
    out = (factor[..., None, None] * branch + other).relu()
    expected = torch.autograd.grad(out, leaves, grad, allow_unused=not normed)

    x, shortcut, weight, bias, weight2, bias2, factor = (t.detach() for t in leaves)

    def norm_of(values: Tensor, weight: Tensor, bias: Tensor) -> kernels.Norm:
        var, mean = torch.var_mean(values, (0, 2, 3), correction=0)
        return weight, bias, mean, (var + 1e-5).rsqrt()

    norm, count = norm_of(x, weight, bias), x.numel() // 5
    norm2 = norm_of(shortcut, weight2, bias2) if normed else None
    found = kernels.addition_forward_plain(x, norm, shortcut, norm2, factor)
    torch.testing.assert_close(found, out.detach())
    sums = kernels.addition_sums_plain(
        grad, found, x, norm[2], shortcut, None if norm2 is None else norm2[2]
    )
    d_factor = sums[1] * weight * norm[3] + sums[0] * bias
    d_weight, d_bias = (sums[1] * factor).sum(0) * norm[3], (sums[0] * factor).sum(0)
    of_x, constant = kernels.terms_of_batch(d_weight, d_bias, norm, count)
    scale = weight * norm[3] * factor
    of_branch = kernels.InputGradient(scale, of_x, constant.expand(3, 5), norm[2])
    of_shortcut, d_norm2 = None, ()
    if norm2 is not None:
        d_norm2 = sums[3].sum(0) * norm2[3], sums[0].sum(0)
        terms = kernels.terms_of_batch(*d_norm2, norm2, count)
        of_shortcut = kernels.InputGradient(weight2 * norm2[3], *terms, norm2[2])
    gradients = kernels.addition_gradients_plain(grad, found, x, shortcut, of_branch, of_shortcut)
    torch.testing.assert_close(
        (*gradients, d_weight, d_bias, *d_norm2, d_factor),
        tuple(value for value in expected if value is not None),
    )
    torch.testing.assert_close(sums[2], (x - norm[2][:, None, None]).sum((2, 3)))
