"""The memory path leaves blocks to their layers where their parameters do not say all."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from tresnet_tasks.backbones.residual_blocks import BasicBlock, Bottleneck
from tresnet_tasks.layers import SyncABN
from tresnet_tasks.layers.recompute import altered


@pytest.fixture(autouse=True)
def _says_it_again() -> Iterator[None]:
    altered._say.cache_clear()
    yield
    altered._say.cache_clear()


def _dilate(block: Any) -> None:
    block.conv2.conv.dilation = block.conv2.conv.padding = (2, 2)


def _prune(block: Any) -> None:
    prune.random_unstructured(block.conv2.conv, "weight", amount=0.5)


def _normalise_weights(block: Any) -> None:
    parametrizations.weight_norm(block.conv1.conv)


def _replace_norm(block: Any) -> None:
    block.conv1.bn = nn.GroupNorm(2, block.conv1.bn.num_features)


def _without_weights(block: Any) -> None:
    norm = block.conv2.bn
    norm.affine, norm.weight, norm.bias = False, None, None


def _scale_inputs(block: Any) -> None:
    block.conv2.register_forward_pre_hook(lambda layer, args: (3 * args[0],))


def _double_outputs(block: Any) -> None:
    block.se.fc1.register_forward_hook(lambda layer, args, out: 2 * out)


def _give_a_bias(block: Any) -> None:
    block.conv1.conv.bias = nn.Parameter(torch.ones(block.conv1.conv.out_channels))


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (_dilate, "conv2.conv was given another geometry"),
        (_prune, "conv2.conv has a hook"),
        (_normalise_weights, "conv1.conv is a ParametrizedConv2d"),
        (_replace_norm, "conv1.bn is a GroupNorm"),
        (_without_weights, "conv2.bn has no weights"),
        (_scale_inputs, "conv2 has a hook"),
        (_double_outputs, "se.fc1 has a hook"),
        (_give_a_bias, "conv1.conv was given a bias"),
    ],
)
@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
def test_an_altered_block_trains_as_the_plain_one(
    kind: Any, alter: Callable[[Any], None], reason: str
) -> None:
    made = []
    for recompute in (False, True):
        torch.manual_seed(0)
        block = kind(8, 8, slope=0.1, recompute=recompute)
        nn.init.normal_(block.conv2.bn.weight)
        untouched = copy.deepcopy(block)
        torch.manual_seed(1)
        alter(block)
        x = torch.randn(2, 8, 8, 8, generator=torch.Generator().manual_seed(2))
        said = pytest.warns(UserWarning, match=reason) if recompute else nullcontext()
        with said:
            for _ in range(2):  # pruning failed at the second step
                block.zero_grad()
                out = block(x)
                out.square().sum().backward()
        grads = [p.grad for p in block.parameters() if p.grad is not None]
        made.append((out, *grads))
        assert not torch.equal(untouched(x), out)
    for plain, memory in zip(*made, strict=True):
        torch.testing.assert_close(memory, plain)


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
def test_torchs_synchronised_norm_is_another_layer(kind: Any) -> None:
    block = nn.SyncBatchNorm.convert_sync_batchnorm(kind(8, 8))
    with pytest.warns(UserWarning, match="bn is a SyncBatchNorm"):
        assert altered.has_altered_layers(block)


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
@pytest.mark.parametrize("stride", [1, 2])
def test_blocks_as_built_are_not_altered(kind: Any, stride: int) -> None:
    for options in ({}, {"use_se": False}, {"drop_path_rate": 0.5}):
        block = kind(8, 8, stride, **options)
        block.register_forward_hook(lambda *_: None)  # of the block itself, which is called
        assert not altered.has_altered_layers(block)
        assert not altered.has_altered_layers(SyncABN.convert(block))
