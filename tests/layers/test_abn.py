from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from tresnet_tasks.layers import ABN, keep_statistics


def _random_abn(slope: float | None, channels: int = 5) -> ABN:
    abn = ABN(channels, slope).double()
    with torch.no_grad():
        abn.weight.copy_(torch.linspace(-1, 1, channels))  # negative and zero weights are legal
        abn.bias.normal_()
        abn.running_mean.normal_()
        abn.running_var.uniform_(0.5, 2)
    return abn


@pytest.mark.parametrize("slope", [None, 1e-2, 1e-3])
@pytest.mark.parametrize("training", [True, False])
def test_equals_batch_norm_followed_by_leaky_relu(slope: float | None, training: bool) -> None:
    torch.manual_seed(0)
    abn = _random_abn(slope).train(training)
    x = torch.randn(3, 5, 4, 6, dtype=torch.float64)
    mean, var = abn.running_mean.clone(), abn.running_var.clone()
    expected = F.batch_norm(x, mean, var, abn.weight, abn.bias, training, 0.1, 1e-5)
    if slope is not None:
        expected = torch.where(expected > 0, expected, expected * slope)
    torch.testing.assert_close(abn(x), expected)
    torch.testing.assert_close(abn.running_mean, mean)
    torch.testing.assert_close(abn.running_var, var)


@pytest.mark.parametrize("slope", [None, 1e-2])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_equal_finite_differences(slope: float | None, training: bool) -> None:
    torch.manual_seed(0)
    abn = _random_abn(slope, channels=3).train(training)
    x = torch.randn(2, 3, 2, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([-0.7, 0.4, 1.3], dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        out: Tensor = functional_call(abn, {"weight": weight, "bias": bias}, (x,))
        return out

    assert torch.autograd.gradcheck(run, (x, weight, bias))


def test_input_is_left_as_it_was() -> None:
    x = torch.randn(2, 3, 4, 4)
    before = x.clone()
    ABN(3, 1e-2)(x)
    assert torch.equal(x, before)


def test_state_dict_is_that_of_batch_norm() -> None:
    assert list(ABN(3, 1e-2).state_dict()) == list(nn.BatchNorm2d(3).state_dict())


def test_description_names_the_slope() -> None:
    assert "slope=0.01" in repr(ABN(3, 1e-2))


def test_keep_statistics_leaves_running_statistics_alone() -> None:
    abn = ABN(3)
    before = {key: value.clone() for key, value in abn.state_dict().items()}
    with keep_statistics(abn):
        abn(torch.randn(4, 3, 5, 5) + 3)
    after = abn.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_keep_statistics_normalises_by_the_batch_all_the_same() -> None:
    abn, x = ABN(3), torch.randn(4, 3, 5, 5) + 3
    with keep_statistics(abn):
        inside = abn(x)
    assert torch.equal(inside, abn(x))


def test_statistics_move_again_after_keep_statistics_even_after_an_error() -> None:
    abn = ABN(3)
    with pytest.raises(RuntimeError, match="inside"), keep_statistics(abn):
        raise RuntimeError("inside")
    abn(torch.randn(4, 3, 5, 5) + 3)
    assert abn.momentum == 0.1
    assert abn.num_batches_tracked == 1
    assert abn.running_mean.abs().min() > 0
