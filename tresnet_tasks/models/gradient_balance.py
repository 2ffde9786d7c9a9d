"""How the heads' gradients meet on the shared trunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor

METHODS = ("sum", "norm", "pcgrad")


class GradientBalance:
    """Where the trunk's feature maps part into branches, their gradients come together again.

    There the gradients of all branches are at hand, after one backward pass of the heads and before
    the one of the trunk. All that is needed is the matrix of their inner products, summed over the
    processes: every process weighs the branches alike, as one process with the whole batch would.

    * ``sum``: the gradient of the weighted sum of losses, nothing else.
    * ``norm``: each gradient is brought to the mean of their norms.
    * ``pcgrad``: of each gradient, what points against another is taken away (Yu et al., `Gradient
      Surgery for Multi-Task Learning`, 2020, applied to the gradient of the feature maps; the
      others come in the order of the heads, not in a random one, so that processes agree).

    Args:
        method: one of these.

    Attributes:
        norms: (K,) norm of each branch's gradient in the last backward pass, before balancing. With
            a loss scale, of the scaled loss.
        cosines: (K, K) between them.

    Raises:
        ValueError: for another method.
    """

    def __init__(self, method: str = "sum") -> None:
        if method not in METHODS:
            raise ValueError(f"balance={method!r}; expected one of {', '.join(METHODS)}.")
        self.method = method
        self.norms: Tensor | None = None
        self.cosines: Tensor | None = None

    def fork(self, feats: Sequence[Tensor], branches: int) -> list[tuple[Tensor, ...]]:
        """The feature maps, once for each branch."""
        if branches < 2 or not any(feat.requires_grad for feat in feats):
            return [tuple(feats)] * branches
        copies = _Fork.apply(self, branches, *feats)
        size = len(feats)
        return [copies[size * branch : size * (branch + 1)] for branch in range(branches)]

    def coefficients(self, products: Tensor) -> Tensor:
        """What each branch's gradient is multiplied by.

        Args:
            products: (K, K) inner products of the gradients.
        """
        norms = products.diagonal().clamp(min=0).sqrt()
        if self.method == "norm":
            moved = norms > 0
            mean = norms.sum() / moved.sum().clamp(min=1)
            return torch.where(moved, mean / norms.where(moved, 1), 1)
        if self.method == "pcgrad":
            return _without_conflicts(products).sum(0)
        return torch.ones_like(norms)

    def meet(self, grads: Sequence[Sequence[Tensor | None]]) -> list[Tensor | None]:
        """One gradient for each feature map, from one for each branch and feature map."""
        products = _inner_products(grads)
        if get_world_size() > 1:
            all_reduce(products)
        norms = products.diagonal().clamp(min=0).sqrt()
        self.norms = norms
        self.cosines = products / (norms[:, None] * norms).clamp(min=torch.finfo(norms.dtype).tiny)
        factors = self.coefficients(products)
        return [
            _weighted_sum(parts, None if self.method == "sum" else factors)
            for parts in zip(*grads, strict=True)
        ]


class _Fork(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, balance: GradientBalance, branches: int, *feats: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.balance, ctx.size = balance, len(feats)
        return tuple(feat.view_as(feat) for _ in range(branches) for feat in feats)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        branches = [grads[start : start + ctx.size] for start in range(0, len(grads), ctx.size)]
        return None, None, *ctx.balance.meet(branches)


def _inner_products(grads: Sequence[Sequence[Tensor | None]]) -> Tensor:
    """(K, K) float32; a branch that does not read a feature map has no gradient there."""
    count = len(grads)
    some = next(grad for branch in grads for grad in branch if grad is not None)
    products = torch.zeros(count, count, dtype=torch.float32, device=some.device)
    for i in range(count):
        for j in range(i, count):
            for one, other in zip(grads[i], grads[j], strict=True):
                if one is not None and other is not None:
                    value = (one.float() * other.float()).sum()
                    products[i, j] += value
                    if i != j:
                        products[j, i] += value
    return products


def _weighted_sum(grads: Sequence[Tensor | None], factors: Tensor | None) -> Tensor | None:
    parts = [
        grad if factors is None else grad * factors[branch].to(grad.dtype)
        for branch, grad in enumerate(grads)
        if grad is not None
    ]
    return sum(parts[1:], parts[0]) if parts else None


def _without_conflicts(products: Tensor) -> Tensor:
    """(K, K): row i says of which gradients the i-th consists after its conflicts are taken away."""
    count = len(products)
    mixed = torch.eye(count, dtype=products.dtype, device=products.device)
    squares = products.diagonal()
    for i in range(count):
        for j in range(count):
            if i != j:
                along = mixed[i] @ products[:, j]
                against = (along < 0) & (squares[j] > 0)
                share = torch.where(against, along / squares[j].where(squares[j] > 0, 1), 0)
                mixed[i, j] -= share
    return mixed
