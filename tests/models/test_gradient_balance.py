from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tresnet_tasks.models import GradientBalance


def trunk_gradient(method: str, directions: Tensor) -> tuple[Tensor, GradientBalance]:
    """The gradient that arrives at a feature map whose branches ask for ``directions``."""
    balance = GradientBalance(method)
    feat = torch.zeros(directions.shape[1], requires_grad=True)
    branches = balance.fork([feat], len(directions))
    loss = sum((b[0] * d).sum() for b, d in zip(branches, directions, strict=True))
    loss.backward()
    return feat.grad, balance


def test_the_sum_is_what_autograd_gives() -> None:
    directions = torch.randn(3, 5)
    grad, _ = trunk_gradient("sum", directions)
    torch.testing.assert_close(grad, directions.sum(0))


def test_norms_and_cosines_of_the_branches() -> None:
    directions = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    _, balance = trunk_gradient("sum", directions)
    torch.testing.assert_close(balance.norms, torch.tensor([5.0, 2.0]))
    torch.testing.assert_close(balance.cosines, torch.tensor([[1.0, 0.8], [0.8, 1.0]]))


def test_norm_brings_each_branch_to_the_mean_norm() -> None:
    grad, _ = trunk_gradient("norm", torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(grad, torch.tensor([2.0, 2.0]))


def test_norm_leaves_a_branch_without_gradient_alone() -> None:
    grad, _ = trunk_gradient("norm", torch.tensor([[4.0, 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(grad, torch.tensor([4.0, 0.0]))


def test_pcgrad_is_the_sum_where_nothing_conflicts() -> None:
    directions = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    grad, _ = trunk_gradient("pcgrad", directions)
    torch.testing.assert_close(grad, directions.sum(0))


@pytest.mark.parametrize("seed", range(5))
def test_pcgrad_equals_the_projections_one_by_one(seed: int) -> None:
    torch.manual_seed(seed)
    directions = torch.randn(4, 3)
    expected = torch.zeros(3)
    for i, own in enumerate(directions):
        mine = own.clone()
        for j, other in enumerate(directions):
            if i != j and mine @ other < 0:
                mine -= (mine @ other) / (other @ other) * other
        expected += mine
    grad, _ = trunk_gradient("pcgrad", directions)
    torch.testing.assert_close(grad, expected, rtol=1e-4, atol=1e-5)


def test_a_branch_may_leave_a_feature_map_unread() -> None:
    balance = GradientBalance("pcgrad")
    feats = [torch.zeros(2, requires_grad=True), torch.zeros(3, requires_grad=True)]
    one, other = balance.fork(feats, 2)
    (one[0].sum() + other[1].sum()).backward()
    torch.testing.assert_close(feats[0].grad, torch.ones(2))
    torch.testing.assert_close(feats[1].grad, torch.ones(3))
