from __future__ import annotations

import pytest
import timm
import torch
from timm.models.tresnet import TResNet as TimmTResNet

from tresnet_tasks.backbones import ARCHS, TResNet
from tresnet_tasks.weights import arch_name, recognise_arch


@pytest.mark.parametrize("variant", list(ARCHS))
def test_published_variants_are_told_from_their_weights(variant):
    with torch.device("meta"):
        state = timm.create_model(variant, num_classes=0).state_dict()
    assert arch_name(recognise_arch(state)) == variant


def test_another_network_is_told_as_an_arch_that_builds_it():
    with torch.device("meta"):
        state = TimmTResNet([3, 8, 34, 5], num_classes=0, v2=True).state_dict()
        found = recognise_arch(state)
        net = TResNet(found._asdict())
    assert {k: v.shape for k, v in net.state_dict().items()} == {
        k: v.shape for k, v in state.items()
    }


def test_missing_stage_is_named():
    with torch.device("meta"):
        state = timm.create_model("tresnet_m", num_classes=0).state_dict()
    partial = {name: value for name, value in state.items() if "layer4" not in name}
    with pytest.raises(ValueError, match=r"lack body\.layer4"):
        recognise_arch(partial)
