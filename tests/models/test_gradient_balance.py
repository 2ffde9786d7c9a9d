from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tresnet_tasks.models import GradientBalance


class Trunk(nn.Module):
    """A trunk of one vector, of which each head's loss asks a direction."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.zeros(size))
        self.unread = nn.Parameter(torch.zeros(2))


def train(balance: GradientBalance, directions: Tensor, trunk: Trunk | None = None) -> Tensor:
    """One backward pass; the gradient that arrives at the trunk."""
    trunk = trunk or Trunk(directions.shape[1])
    losses = {
        head: (balance.scaled(head, [trunk.vector])[0] * direction).sum()
        for head, direction in zip(balance.heads, directions, strict=True)
    }
    balance.weigh(losses, trunk)
    sum(losses.values()).backward()
    assert trunk.unread.grad is None
    grad: Tensor = trunk.vector.grad
    return grad


def balanced(method: str, directions: Tensor) -> Tensor:
    return train(GradientBalance("abcd"[: len(directions)], method), directions)


def test_the_sum_is_what_autograd_gives_and_nothing_is_measured() -> None:
    balance, directions = GradientBalance("abc"), torch.randn(3, 5)
    torch.testing.assert_close(train(balance, directions), directions.sum(0))
    assert balance.products is None
    assert not balance.state_dict()


def test_the_products_of_the_gradients_are_measured_where_wanted() -> None:
    balance = GradientBalance("ab")
    balance.wanted = True
    grad = train(balance, torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    torch.testing.assert_close(balance.products, torch.tensor([[25.0, 8.0], [8.0, 4.0]]))
    torch.testing.assert_close(grad, torch.tensor([3.0, 6.0]))  # measuring changes nothing
    assert not balance.wanted


def test_norm_brings_each_head_to_the_mean_norm() -> None:
    grad = balanced("norm", torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(grad, torch.tensor([2.0, 2.0]))


def test_norm_leaves_a_head_without_gradient_alone() -> None:
    grad = balanced("norm", torch.tensor([[4.0, 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(grad, torch.tensor([4.0, 0.0]))


def test_pcgrad_is_the_sum_where_nothing_conflicts() -> None:
    directions = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    torch.testing.assert_close(balanced("pcgrad", directions), directions.sum(0))


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
    torch.testing.assert_close(balanced("pcgrad", directions), expected, rtol=1e-4, atol=1e-5)


def test_a_head_that_does_not_read_the_trunk_or_has_no_loss_has_no_gradient() -> None:
    balance, trunk = GradientBalance("ab", "pcgrad"), Trunk(2)
    balance.weigh({"a": trunk.vector.sum()}, trunk)
    assert balance.products.tolist() == [[2.0, 0.0], [0.0, 0.0]]


def test_between_measurements_the_factors_hold() -> None:
    balance = GradientBalance("ab", "norm", interval=2)
    train(balance, torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    held = train(balance, torch.tensor([[3.0, 0.0], [0.0, 3.0]]))
    torch.testing.assert_close(held, torch.tensor([2.0, 6.0]))  # by 2/3 and 2, as measured before
    again = train(balance, torch.tensor([[3.0, 0.0], [0.0, 3.0]]))
    torch.testing.assert_close(again, torch.tensor([3.0, 3.0]))


def test_a_resumed_run_keeps_factors_and_rhythm() -> None:
    one, other = (GradientBalance("ab", "norm", interval=3) for _ in range(2))
    first, later = torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 9.0]])
    train(one, first), train(one, later)
    other.load_state_dict(one.state_dict())
    for _ in range(2):  # held, then measured
        assert torch.equal(train(one, later), train(other, later))


def test_factors_outlive_a_batch_whose_loss_is_not_finite() -> None:
    balance = GradientBalance("ab", "norm")
    train(balance, torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    train(balance, torch.tensor([[torch.nan, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(balance.factors, torch.tensor([2 / 3, 2.0]))


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="pcgrad"):
        GradientBalance("ab", "max")
    with pytest.raises(ValueError, match="balance_interval=0"):
        GradientBalance("ab", interval=0)


def test_a_model_that_is_split_over_the_processes_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = "tresnet_tasks.models.gradient_balance.get_world_size"
    monkeypatch.setattr(path, lambda: 2)
    monkeypatch.setattr("tresnet_tasks.upstream.sharded_state.is_sharded", lambda _: True)
    balance: Any = GradientBalance("ab", "pcgrad")
    with pytest.raises(ValueError, match="ShardedModel"):
        train(balance, torch.eye(2))
