from __future__ import annotations

import pytest
import torch
from timm.models.tresnet import checkpoint_filter_fn

from tresnet_tasks.weights import convert_state_dict


def test_official_names_become_those_that_timm_gives_them(tiny, layouts):
    oracle = tiny["timm"]
    official = layouts.official(oracle.state_dict(), filters=False)
    expected = checkpoint_filter_fn(official, oracle)
    converted = convert_state_dict(official)
    assert converted.keys() == expected.keys() == oracle.state_dict().keys()
    assert all(torch.equal(converted[name], value) for name, value in expected.items())


def test_negative_weights_become_their_absolute_value_plus_eps(tiny, layouts):
    official = layouts.official(tiny["timm"].state_dict())
    converted = convert_state_dict(official)
    expected = official["body.conv1.1.weight"].abs() + 1e-5
    assert torch.equal(converted["body.conv1.bn.weight"], expected)
    assert torch.equal(converted["body.conv1.bn.bias"], official["body.conv1.1.bias"])


def test_timm_names_pass_unchanged(tiny):
    state = tiny["timm"].state_dict()
    converted = convert_state_dict(state)
    assert converted.keys() == state.keys()
    assert all(torch.equal(converted[name], value) for name, value in state.items())


def test_paddles_linear_weight_is_transposed(tiny, layouts):
    arrays = layouts.paddle(tiny["timm"].state_dict())
    converted = convert_state_dict({k: torch.from_numpy(v.copy()) for k, v in arrays.items()})
    assert torch.equal(converted["head.fc.weight"], tiny["timm"].head.fc.weight.data)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
def test_wrappers_prefixes_are_taken_off(tiny, prefix):
    state = tiny["timm"].state_dict()
    converted = convert_state_dict({prefix + name: value for name, value in state.items()})
    assert converted.keys() == state.keys()


def test_our_backbone_prefix_is_taken_off(tiny, build):
    assert "body.conv1.conv.weight" in convert_state_dict(build(tiny["arch"]).state_dict())
