from __future__ import annotations

import mmcv._ext
import pytest
import torch
from mmcv.ops import CARAFEPack, carafe, carafe_naive
from torch import Tensor
from torch.nn import functional

KERNEL, GROUPS, SCALE = 3, 2, 2


def arguments(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    features = torch.randn(2, 4, 3, 5, dtype=dtype)
    return features, torch.rand(2, KERNEL**2 * GROUPS, 3 * SCALE, 5 * SCALE, dtype=dtype)


def by_hand(features: Tensor, masks: Tensor) -> Tensor:
    """The sum over a kernel's cells, as loops over the output."""
    padded = functional.pad(features, [KERNEL // 2] * 4)
    images, channels, height, width = features.shape
    output = features.new_zeros(images, channels, height * SCALE, width * SCALE)
    for c in range(channels):
        first = c // (channels // GROUPS) * KERNEL**2
        for y in range(height * SCALE):
            for x in range(width * SCALE):
                i, j = y // SCALE, x // SCALE
                window = padded[:, c, i : i + KERNEL, j : j + KERNEL].flatten(1)
                output[:, c, y, x] = (window * masks[:, first : first + KERNEL**2, y, x]).sum(1)
    return output


@pytest.mark.parametrize("operator", [carafe, carafe_naive])
def test_the_loop_says_the_same(operator: type[torch.autograd.Function]) -> None:
    features, masks = arguments()
    found = operator(features, masks, KERNEL, GROUPS, SCALE)  # type: ignore[call-arg]
    torch.testing.assert_close(found, by_hand(features, masks))


def test_gradients() -> None:
    inputs = [tensor.requires_grad_() for tensor in arguments()]
    assert torch.autograd.gradcheck(
        lambda x, masks: carafe(x, masks, KERNEL, GROUPS, SCALE), inputs, fast_mode=True
    )


def test_gradients_of_the_naive_one() -> None:
    # mmcv's function refuses a backward pass on the CPU before it comes to the operator.
    features, masks = (tensor.requires_grad_() for tensor in arguments())
    out = carafe(features, masks, KERNEL, GROUPS, SCALE)
    grad = torch.randn_like(out)
    expected = torch.autograd.grad(out, (features, masks), grad)
    found = torch.zeros_like(features), torch.zeros_like(masks)
    mmcv._ext.carafe_naive_backward(
        grad, features, masks, *found, kernel_size=KERNEL, group_size=GROUPS, scale_factor=SCALE
    )
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kernel", [1, 5])
def test_other_kernels(kernel: int) -> None:
    # Kernels that choose the middle cell repeat each cell.
    features = torch.randn(1, 2, 3, 4)
    masks = torch.zeros(1, kernel**2, 6, 8)
    masks[:, kernel**2 // 2] = 1
    expected = functional.interpolate(features, scale_factor=2, mode="nearest")
    assert torch.equal(carafe(features, masks, kernel, 1, 2), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_is_float_rounded(dtype: torch.dtype) -> None:
    features, masks = (tensor.requires_grad_() for tensor in arguments(dtype))
    found = carafe(features, masks, KERNEL, GROUPS, SCALE)
    expected = carafe(features.float(), masks.float(), KERNEL, GROUPS, SCALE)
    assert torch.equal(found, expected.to(dtype))
    found.float().sum().backward()
    assert features.grad.dtype == masks.grad.dtype == dtype


def test_the_upsampler_of_mmdets_necks_trains() -> None:
    layer = CARAFEPack(4, 2, compressed_channels=3)
    x = torch.randn(1, 4, 5, 6, requires_grad=True)
    out = layer(x)
    out.square().sum().backward()
    assert out.shape == (1, 4, 10, 12)
    assert all(parameter.grad.abs().sum() > 0 for parameter in layer.parameters())
