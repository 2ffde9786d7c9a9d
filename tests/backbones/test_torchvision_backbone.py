from __future__ import annotations

import pytest
import torch
from torchvision.models import resnet18

from tresnet_tasks.backbones import TorchvisionBackbone


@pytest.mark.parametrize("out_indices", [(3,), (0, 1, 2, 3), (1, 3)])
def test_feature_spec_equals_what_the_net_returns(out_indices: tuple[int, ...]) -> None:
    spec = TorchvisionBackbone.feature_spec("resnet18", out_indices)
    feats = TorchvisionBackbone("resnet18", out_indices).eval()(torch.rand(1, 3, 64, 64))
    assert tuple(feat.shape[1] for feat in feats) == spec.channels
    assert tuple(64 // feat.shape[2] for feat in feats) == spec.strides


def test_features_are_those_of_torchvision() -> None:
    torch.manual_seed(0)
    theirs = resnet18().eval()
    ours = TorchvisionBackbone("resnet18").eval()
    ours.net.load_state_dict(theirs.state_dict(), strict=False)
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(theirs.fc(ours(x)[0].mean((2, 3))), theirs(x))
