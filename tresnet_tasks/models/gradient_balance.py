"""What the heads' losses ask of the trunk that they share, and how much of it each one gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn

METHODS = ("sum", "norm", "pcgrad")
# Half-precision gradients below 6e-8 vanish; a loss scaled by this keeps them, and overflows late.
_FP16_SCALE = 1024.0


class GradientBalance(nn.Module):
    """Measures each head's gradient on the trunk, and weighs the heads by what it finds.

    A head's gradient is that of its weighted loss, of the images of all processes, with respect to
    all trained parameters of the trunk. Whatever maps the heads read, from the trunk or through a
    neck, and whether their labels are on the same images or not: these are the numbers on which
    their wishes meet. The price is one more backward pass through the trunk for each head, in the
    batches that are measured; all others cost nothing.

    What follows is one factor a head, by which its gradient is multiplied where it leaves the head:

    * ``sum``: 1, the gradient of the sum of losses. Nothing is measured unless it is ``wanted``.
    * ``norm``: each gradient is brought to the mean of their norms.
    * ``pcgrad``: of each gradient, what points against another is taken away; the sum of what is
      left is again a weighted sum of the gradients (Yu et al., `Gradient Surgery for Multi-Task
      Learning`, 2020; the others come in the order of the heads, not in a random one, so that
      processes agree).

    Args:
        heads: names of the K heads that train.
        method: one of these.
        interval: of the training's batches, each that many-th is measured; those after it are
            balanced by its factors. 1 is what the papers do. With accumulated gradients a batch is
            a micro-batch: take a multiple of their number, and all of a step have equal factors.

    Attributes:
        wanted: set to True, the next batch is measured whatever the method.
        products: (K, K) float32, inner products of the gradients of the batch last measured; None
            before the first.

    Raises:
        ValueError: for another method, or an interval below 1.
    """

    factors: Tensor
    batches: Tensor

    def __init__(self, heads: Sequence[str], method: str = "sum", interval: int = 1) -> None:
        super().__init__()
        if method not in METHODS:
            raise ValueError(f"balance={method!r}; expected one of {', '.join(METHODS)}.")
        if interval < 1:
            raise ValueError(f"balance_interval={interval}; expected 1 or more.")
        self.heads = tuple(heads)
        self.method = method
        self.interval = interval
        self.wanted = False
        self.products: Tensor | None = None
        self._measuring = False
        self._count: int | None = 0
        if method != "sum":
            # In checkpoints: a resumed run goes on with the factors it had.
            self.register_buffer("factors", torch.ones(len(self.heads)))
            self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def scaled(self, head: str, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The feature maps as a head gets them: their gradient is multiplied by its factor."""
        if self.method == "sum" or not self.training or head not in self.heads:
            return tuple(feats)
        position = self.heads.index(head)
        return tuple(_Scaled.apply(feat, self, position) for feat in feats)

    def weigh(self, losses: Mapping[str, Tensor], trunk: nn.Module) -> None:
        """Measure, if this batch is to be measured, before its backward pass.

        Args:
            losses: each head's, a scalar; a head that is not among them has no gradient.
            trunk: what the heads share; its parameters that train are looked at.

        Raises:
            ValueError: if the trunk is split over the processes.
        """
        parameters = [p for p in trunk.parameters() if p.requires_grad]
        if not (self._due() or self.wanted) or not parameters:
            return
        self.wanted = False
        _check_whole(trunk)
        self._measuring = True
        try:
            gradients = torch.stack(
                [_gradient(losses.get(head), parameters) for head in self.heads]
            )
        finally:
            self._measuring = False
        if get_world_size() > 1:
            all_reduce(gradients, op="mean")
        with torch.autocast(gradients.device.type, enabled=False):
            self.products = gradients @ gradients.T
        if self.method != "sum":
            found = self.coefficients(self.products)
            # A loss that is not finite must not outlive its batch.
            self.factors.copy_(torch.where(found.isfinite().all(), found, self.factors))

    def coefficients(self, products: Tensor) -> Tensor:
        """What each head's gradient is multiplied by.

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

    def _due(self) -> bool:
        """Whether this batch is measured for the method's sake; counts it."""
        if self.method == "sum":
            return False
        if self._count is None:
            self._count = int(self.batches)
        due = self._count % self.interval == 0
        self._count += 1
        self.batches += 1
        return due

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._count = None  # read where it is needed: it may be on another device


class _Scaled(torch.autograd.Function):
    """The factor is taken in the backward pass, which comes after the measurement."""

    @staticmethod
    def forward(ctx: Any, feat: Tensor, balance: GradientBalance, position: int) -> Tensor:
        ctx.balance, ctx.position = balance, position
        return feat.view_as(feat)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        if not ctx.balance._measuring:
            grad = grad * ctx.balance.factors[ctx.position].to(grad.dtype)
        return grad, None, None


def _check_whole(trunk: nn.Module) -> None:
    if get_world_size() == 1:
        return
    from ..upstream.sharded_state import is_sharded

    if is_sharded(trunk):
        raise ValueError(
            "the gradients of heads are compared as a whole, but the model is split over the "
            "processes (ShardedModel). Leave model_wrapper_cfg out, or leave TaskGradientsHook and "
            "the model's balance out."
        )


def _gradient(loss: Tensor | None, parameters: Sequence[Tensor]) -> Tensor:
    """(P,) float32, with respect to all parameters; their ``grad`` stays as it is."""
    grads: Sequence[Tensor | None] = [None] * len(parameters)
    scale = 1.0
    if loss is not None and loss.requires_grad:
        device = loss.device.type
        if torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.float16:
            scale = _FP16_SCALE
        with torch.autocast(device, enabled=False):  # a backward pass stands outside of it
            grads = torch.autograd.grad(
                loss * scale, parameters, retain_graph=True, allow_unused=True
            )
    return torch.cat(
        [
            (torch.zeros_like(parameter) if grad is None else grad).float().flatten() / scale
            for parameter, grad in zip(parameters, grads, strict=True)
        ]
    )


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
