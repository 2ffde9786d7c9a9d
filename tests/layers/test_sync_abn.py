"""A single process; several are in `tests/training/test_two_processes.py`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tresnet_tasks.layers import ABN, SyncABN


@pytest.mark.parametrize("training", [True, False])
def test_in_a_single_process_it_is_abn(training: bool) -> None:
    x = torch.randn(3, 4, 5, 5)
    plain = ABN(4, 1e-3).train(training)
    synchronised = SyncABN(4, 1e-3).train(training)
    assert torch.equal(synchronised(x), plain(x))
    assert torch.equal(synchronised.running_var, plain.running_var)


def test_conversion_keeps_activation_parameters_and_names() -> None:
    model = nn.Sequential(ABN(4, 1e-3), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2), nn.GroupNorm(1, 2))
    before = dict(model.named_parameters())
    names = list(model.state_dict())
    assert SyncABN.convert(model) is model
    assert [type(layer) for layer in model] == [SyncABN, nn.Conv2d, SyncABN, nn.GroupNorm]
    assert (model[0].slope, model[2].slope) == (1e-3, None)
    assert list(model.state_dict()) == names
    assert all(before[name] is parameter for name, parameter in model.named_parameters())


def test_a_vector_is_normalised_like_an_image() -> None:
    plain = nn.BatchNorm1d(4)
    x = torch.randn(6, 4)
    expected = plain(x)
    assert torch.equal(SyncABN.convert(nn.BatchNorm1d(4))(x), expected)


def test_a_batch_norm_of_its_own_kind_is_named() -> None:
    class Quantised(nn.BatchNorm2d):
        pass

    with pytest.raises(ValueError, match=r"the layer 1 is a Quantised.*leave sync_bn out"):
        SyncABN.convert(nn.Sequential(nn.ReLU(), Quantised(2)))
