"""The four published variants against timm's, which reproduces the published accuracies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from tresnet_tasks.backbones import ARCHS, TResNet
from tresnet_tasks.heads import LinearHead

PARAMETERS = {  # with 1000 classes, counted in the official code
    "tresnet_m": 31_389_032,
    "tresnet_l": 55_989_256,
    "tresnet_xl": 78_436_244,
    "tresnet_v2_l": 46_174_824,
}


class Pair:
    """timm's model and ours with the same weights."""

    def __init__(self, name: str) -> None:
        self.name = name
        torch.manual_seed(0)
        self.timm = timm.create_model(name, num_classes=1000)
        # Operation by operation timm's, so that float32 rounds alike: norms of both signs make the
        # gradients of a deep net so sensitive that another order of sums moves them by percents.
        backbone = TResNet(name, out_indices=(0, 1, 2, 3), abn="plain")
        head = LinearHead(num_classes=1000, in_channels=backbone.arch.channels[-1])
        self.ours = nn.ModuleDict({"backbone": backbone, "head": head})

    def share_weights(self) -> None:
        state = self.timm.state_dict()
        body = {key: value for key, value in state.items() if key.startswith("body.")}
        self.ours["backbone"].load_state_dict(body)
        self.ours["head"].fc.load_state_dict(self.timm.head.fc.state_dict())


@pytest.fixture(scope="module", params=list(ARCHS))
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    yield Pair(request.param)


@pytest.fixture(params=["random norms", "initial norms"])
def weights(
    request: pytest.FixtureRequest, pair: Pair, randomise: Callable[..., None]
) -> Iterator[str]:
    randomise(pair.timm, seed=1)
    if request.param == "initial norms":  # the last norm of each block at zero
        for module in pair.timm.modules():
            if hasattr(module, "drop_path"):
                last = module.conv3 if hasattr(module, "conv3") else module.conv2
                nn.init.zeros_(last.bn.weight)
    pair.share_weights()
    yield request.param


def test_parameter_count_is_the_published_one(pair: Pair) -> None:
    assert sum(p.numel() for p in pair.ours.parameters()) == PARAMETERS[pair.name]


def test_state_dict_has_the_names_and_shapes_of_timm(pair: Pair) -> None:
    ours = pair.ours.state_dict()
    named = {key.removeprefix("backbone."): tuple(value.shape) for key, value in ours.items()}
    assert named == {key: tuple(value.shape) for key, value in pair.timm.state_dict().items()}


@pytest.mark.parametrize("shape", [(2, 3, 64, 64), (1, 3, 228, 300)], ids=["64x64", "228x300"])
def test_logits_and_features_equal(pair: Pair, weights: str, shape: tuple[int, ...]) -> None:
    pair.timm.eval()
    pair.ours.eval()
    x = torch.rand(shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected, stages = pair.timm.forward_intermediates(x, indices=[1, 2, 3, 4])
        logits = pair.timm.forward_head(expected)
        feats = pair.ours["backbone"](x)
        ours = pair.ours["head"](feats)
    assert logits.std() > 1e-3
    assert (ours - logits).abs().max() / logits.abs().max() <= 1e-5
    for feat, stage in zip(feats, stages, strict=True):
        assert feat.shape == stage.shape
        assert (feat - stage).abs().max() / stage.abs().max() <= 1e-5


def test_gradients_and_running_statistics_equal_in_training(
    pair: Pair, randomise: Callable[..., None]
) -> None:
    randomise(pair.timm, seed=3)
    pair.share_weights()
    pair.timm.train()
    pair.ours.train()
    generator = torch.Generator().manual_seed(4)
    x = torch.rand(2, 3, 64, 64, generator=generator)
    feature_weights = torch.randn(pair.timm.num_features, 2, 2, generator=generator)
    logit_weights = torch.randn(1000, generator=generator)
    # Every output counts, each with its own weight: batch norm makes a plain sum's gradient vanish.
    for model, run in ((pair.timm, _run_timm), (pair.ours, _run_ours)):
        model.zero_grad(set_to_none=True)
        feats, logits = run(model, x)
        ((feats * feature_weights).sum() + (logits * logit_weights).sum()).backward()

    expected = dict(pair.timm.named_parameters())
    ours = dict(pair.ours.named_parameters())
    assert len(ours) == len(expected)
    for name, parameter in ours.items():
        theirs = expected[name.removeprefix("backbone.")].grad
        assert theirs is not None and theirs.norm() > 1e-6, f"nothing flows to {name}"
        assert parameter.grad is not None
        assert (parameter.grad - theirs).norm() / theirs.norm() <= 1e-4, name
    for name, buffer in pair.ours["backbone"].state_dict().items():
        if "running" in name or "tracked" in name:
            torch.testing.assert_close(buffer, pair.timm.state_dict()[name], rtol=1e-5, atol=1e-6)
    assert pair.ours["backbone"].body.conv1.bn.num_batches_tracked == 1
    pair.timm.zero_grad(set_to_none=True)
    pair.ours.zero_grad(set_to_none=True)


def test_the_memory_form_has_timms_gradients_in_float64(randomise: Callable[..., None]) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("tresnet_m", num_classes=0, global_pool="").double()
    randomise(theirs, seed=3)
    ours = TResNet("tresnet_m", out_indices=(3,), abn="memory").double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    weights = torch.randn(2, 2048, 2, 2, dtype=torch.float64)
    (theirs.train()(x) * weights).sum().backward()
    (ours.train()(x)[0] * weights).sum().backward()
    for (name, parameter), expected in zip(
        ours.named_parameters(), theirs.parameters(), strict=True
    ):
        assert (parameter.grad - expected.grad).norm() <= 1e-9 * expected.grad.norm(), name


def _run_timm(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    feats = model.forward_features(x)
    return feats, model.forward_head(feats)


def _run_ours(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    feats = model["backbone"](x)
    return feats[-1], model["head"](feats)
