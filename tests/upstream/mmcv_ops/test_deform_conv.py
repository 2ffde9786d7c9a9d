from __future__ import annotations

import pytest
import torch
import torchvision
from mmcv.ops import (
    DeformConv2d,
    DeformConv2dPack,
    ModulatedDeformConv2dPack,
    SAConv2d,
    deform_conv2d,
    modulated_deform_conv2d,
)
from torch import Tensor
from torch.nn import functional

# kernel 3 x 2, stride 2 x 1, padding 1 x 2, dilation 1 x 2, 2 groups, 2 groups of offsets
SETTING = ((2, 1), (1, 2), (1, 2), 2, 2)


def arguments(dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    places = (2, 4, 7)
    return {
        "input": torch.randn(2, 4, 7, 5, dtype=dtype),
        "offset": torch.randn(places[0], 2 * 2 * 6, *places[1:], dtype=dtype),
        "mask": torch.rand(places[0], 2 * 6, *places[1:], dtype=dtype),
        "weight": torch.randn(4, 2, 3, 2, dtype=dtype),
        "bias": torch.randn(4, dtype=dtype),
    }


def by_torchvision(given: dict[str, Tensor], **changes: Tensor | None) -> Tensor:
    given = {**given, **changes}  # type: ignore[dict-item]
    return torchvision.ops.deform_conv2d(
        given["input"],
        given["offset"],
        given["weight"],
        given["bias"],
        *SETTING[:3],
        mask=given["mask"],
    )


def test_torchvision_says_the_same_without_a_mask() -> None:
    given = arguments()
    found = deform_conv2d(given["input"], given["offset"], given["weight"], *SETTING)
    torch.testing.assert_close(found, by_torchvision(given, mask=None, bias=None))


@pytest.mark.parametrize("bias", [True, False])
def test_torchvision_says_the_same_with_a_mask(bias: bool) -> None:
    given = arguments()
    if not bias:
        given["bias"] = None  # type: ignore[assignment]
    found = modulated_deform_conv2d(*given.values(), *SETTING)
    torch.testing.assert_close(found, by_torchvision(given))


def test_without_offsets_it_is_a_convolution() -> None:
    given = arguments()
    none = torch.zeros_like(given["offset"])
    expected = functional.conv2d(given["input"], given["weight"], None, *SETTING[:4])
    found = deform_conv2d(given["input"], none, given["weight"], *SETTING)
    torch.testing.assert_close(found, expected)


def test_gradients_without_a_mask() -> None:
    given = arguments()
    inputs = [given[name].requires_grad_() for name in ("input", "offset", "weight")]
    assert torch.autograd.gradcheck(
        lambda x, offset, weight: deform_conv2d(x, offset, weight, *SETTING), inputs, fast_mode=True
    )


@pytest.mark.parametrize("bias", [True, False])
def test_gradients_with_a_mask(bias: bool) -> None:
    given = arguments()
    if not bias:
        del given["bias"]
    inputs = [tensor.requires_grad_() for tensor in given.values()]
    assert torch.autograd.gradcheck(
        lambda *x: modulated_deform_conv2d(*x, *([] if bias else [None]), *SETTING),
        inputs,
        fast_mode=True,
    )


def test_a_weight_alone_gets_its_gradient_each_time() -> None:
    given = arguments()
    weight = given["weight"].requires_grad_()
    expected = torch.autograd.grad(
        by_torchvision(given, mask=None, bias=None).square().sum(), weight
    )[0]
    for wanted in ([weight], [weight, given["input"].requires_grad_()]):
        loss = deform_conv2d(given["input"], given["offset"], weight, *SETTING).square().sum()
        for again in (True, False):
            found = torch.autograd.grad(loss, wanted, retain_graph=again)[0]
            torch.testing.assert_close(found, expected)


def test_offsets_and_masks_of_a_larger_map_are_read_from_their_beginning() -> None:
    given = arguments()
    larger = {
        name: torch.randn(2, given[name].shape[1], 6, 9).double() for name in ("offset", "mask")
    }
    for name, values in larger.items():
        values.flatten(1)[:, : given[name][0].numel()] = given[name].flatten(1)
    inputs = [given["input"], larger["offset"], larger["mask"], given["weight"], given["bias"]]
    found = modulated_deform_conv2d(*inputs, *SETTING)
    torch.testing.assert_close(found, by_torchvision(given))
    assert torch.autograd.gradcheck(
        lambda offset, mask: modulated_deform_conv2d(
            given["input"], offset, mask, *inputs[3:], *SETTING
        ),
        [values.requires_grad_() for values in larger.values()],
        fast_mode=True,
    )


def test_offsets_of_a_smaller_map_are_refused() -> None:
    given = arguments()
    given["offset"] = given["offset"][..., :-1]
    with pytest.raises(ValueError, match=r"of \(4, 6\) cells are too few .* has \(4, 7\)"):
        modulated_deform_conv2d(*given.values(), *SETTING)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_is_float_rounded(dtype: torch.dtype) -> None:
    given = {name: tensor.requires_grad_() for name, tensor in arguments(dtype).items()}
    found = modulated_deform_conv2d(*given.values(), *SETTING)
    expected = modulated_deform_conv2d(*[tensor.float() for tensor in given.values()], *SETTING)
    assert torch.equal(found, expected.to(dtype))
    found.float().sum().backward()
    assert all(tensor.grad is not None for tensor in given.values())


@pytest.mark.parametrize("layer", [DeformConv2dPack, ModulatedDeformConv2dPack, SAConv2d])
def test_layers_train_under_autocast(layer: type[torch.nn.Module]) -> None:
    extra = {"use_deform": True} if layer is SAConv2d else {}
    module = layer(4, 6, 3, padding=1, **extra)
    x = torch.randn(2, 4, 9, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        loss = module(x).float().square().sum()
    loss.backward()
    assert x.grad.isfinite().all()
    weights = [value for name, value in module.named_parameters() if name.endswith("weight")]
    assert all(weight.grad is not None for weight in weights)


def test_inputs_smaller_than_the_kernel() -> None:
    layer = DeformConv2d(1, 1, 3)
    assert layer(torch.randn(1, 1, 3, 3), torch.zeros(1, 18, 1, 1)).shape == (1, 1, 1, 1)


def test_mmcvs_figures() -> None:
    x = torch.tensor([[[[1.0, 2, 3], [0, 1, 2], [3, 5, 2]]]], requires_grad=True)
    layer = DeformConv2dPack(1, 1, 2)
    offset_weight = [
        [0.1, 0.4, 0.6, 0.1],
        [0.3, 0.2, 0.1, 0.3],
        [0.5, 0.5, 0.2, 0.8],
        [0.8, 0.3, 0.9, 0.1],
        [0.3, 0.1, 0.2, 0.5],
        [0.3, 0.7, 0.5, 0.3],
        [0.6, 0.2, 0.5, 0.3],
        [0.4, 0.1, 0.8, 0.4],
    ]
    offset_bias = [0.7, 0.1, 0.8, 0.5, 0.6, 0.5, 0.4, 0.7]
    layer.conv_offset.weight.data = torch.tensor(offset_weight).view(8, 1, 2, 2)
    layer.conv_offset.bias.data = torch.tensor(offset_bias)
    layer.weight.data = torch.tensor([0.4, 0.2, 0.1, 0.9]).view(1, 1, 2, 2)
    out = layer(x)
    out.sum().backward()
    close = {"rtol": 1e-3, "atol": 1e-4}
    torch.testing.assert_close(out, torch.tensor([[[[1.650, 0.0], [0.0, 0.0]]]]), **close)
    slope = [[[[-0.666, 0.204, 0.0], [0.030, -0.416, 0.012], [0.0, 0.252, 0.129]]]]
    torch.testing.assert_close(x.grad, torch.tensor(slope), **close)
    weight_slope = [[[[3.62, 0.0], [0.40, 0.18]]]]
    torch.testing.assert_close(layer.weight.grad, torch.tensor(weight_slope), **close)
    bias_slope = [1.44, -0.72, 0.0, 0.0, -0.10, -0.08, -0.54, -0.54]
    torch.testing.assert_close(layer.conv_offset.bias.grad, torch.tensor(bias_slope), **close)


def test_points_one_cell_outside_have_no_slope_in_their_offset() -> None:
    # As at the start of a training: torchvision's slope is that into the map.
    given = arguments()
    given["offset"] = torch.zeros_like(given["offset"]).requires_grad_()
    deform_conv2d(given["input"], given["offset"], given["weight"], *SETTING).sum().backward()
    slope = given["offset"].grad.view(2, 2, 3, 2, 2, 4, 7)
    assert torch.equal(slope[:, :, 0, :, 0, 0], torch.zeros(2, 2, 2, 7).double())  # y = -1
    assert torch.equal(slope[:, :, :, 0, 1, :, 1], torch.zeros(2, 2, 3, 4).double())  # x = -1
    assert (slope[:, :, 1, :, 0, 0] != 0).any()


def test_mmcvs_figures_with_a_mask() -> None:
    x = torch.tensor([[[[1.0, 2, 3]] * 3]]).view(1, 1, 3, 3).requires_grad_()
    layer = ModulatedDeformConv2dPack(1, 1, (2, 2), padding=1, bias=False)
    layer.weight.data.fill_(1)
    out = layer(x)
    out.sum().backward()
    outer, inner = [0.5, 1.5, 2.5, 1.5], [1.0, 3.0, 5.0, 3.0]
    torch.testing.assert_close(out, torch.tensor([[[outer, inner, inner, outer]]]))
    torch.testing.assert_close(x.grad, torch.full((1, 1, 3, 3), 2.0))
    torch.testing.assert_close(layer.weight.grad, torch.full((1, 1, 2, 2), 9.0))
    slope = torch.tensor([-3.0, -1.5] * 4 + [4.5] * 4)
    torch.testing.assert_close(layer.conv_offset.bias.grad, slope)
    slopes = {0: [-7.0, -4.0, 0.0, 0.0], 5: [-6.0, 5.0, -9.0, 7.5], 8: [10.5, 6.0, 7.0, 4.0]}
    for channel, expected in slopes.items():
        found = layer.conv_offset.weight.grad[channel].flatten()
        torch.testing.assert_close(found, torch.tensor(expected))
