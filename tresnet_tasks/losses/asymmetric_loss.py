"""Asymmetric loss for multi-label classification, with binary cross entropy and focal loss in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..registry import MODELS
from .asymmetric_terms import AsymmetricRule, check_targets, hard_label_sum, label_terms

REDUCTIONS = ("sum", "mean", "none")

# Elements that are worked on at a time: on a CPU what one core keeps in its cache, elsewhere enough
# to fill the device while the scratch tensors stay small.
_CPU_CHUNK = 1 << 15
_DEVICE_CHUNK = 1 << 22


@MODELS.register_module()
class AsymmetricLoss(nn.Module):
    r"""Asymmetric loss (arXiv 2009.14119), in float32 whatever the autocast.

    With p = sigmoid(logit) and p_m = max(p - clip, 0), the loss of one label is

    * positive: ``-(1 - p)^gamma_pos * log(max(p, eps))``
    * negative: ``-p_m^gamma_neg * log(max(1 - p_m, eps))``

    A soft target y in (0, 1) takes y of the first and 1 - y of the second. Special cases:
    ``gamma_neg=0, gamma_pos=0, clip=0`` is binary cross entropy; ``gamma_neg=gamma_pos``,
    ``clip=0`` and ``detach_weight=False`` is focal loss without alpha. Both agree with the usual
    definitions up to a loss of -log(eps) = 18.4 a label, beyond which the published definition is
    flat; ``eps=0`` removes that limit.

    Value and gradient are computed together, so that one tensor of the logits' size is kept between
    forward and backward. The loss cannot be differentiated twice.

    Args:
        gamma_neg: focusing of negatives, at least 0.
        gamma_pos: focusing of positives, at least 0.
        clip: probability, in [0, 1), below which a negative counts as nothing; 0 or at least
            ``eps``.
        eps: floor, in [0, 1), of what the logarithm is taken of.
        detach_weight: treat the focusing factor as a constant in the gradient, as the published
            recipes do; False differentiates it too.
        reduction: 'sum' over all known labels, as published; 'mean' over the known labels (0 if
            there is none); 'none' for (N, C), 0 where the label is unknown.
        class_weight: (C,) factors of the classes, for positives and negatives alike.
        loss_weight: factor of the result.

    Raises:
        ValueError: if an argument is out of its range.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        gamma_neg: float = 4.0,
        gamma_pos: float = 0.0,
        clip: float = 0.05,
        eps: float = 1e-8,
        detach_weight: bool = True,
        reduction: str = "sum",
        class_weight: Sequence[float] | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if gamma_neg < 0 or gamma_pos < 0:
            raise ValueError(
                f"gamma_neg={gamma_neg} and gamma_pos={gamma_pos}; both must be at least 0."
            )
        if not 0 <= eps < 1:
            raise ValueError(f"eps={eps}; expected a floor in [0, 1), such as 1e-8.")
        if not (clip == 0 or eps <= clip < 1):
            raise ValueError(
                f"clip={clip}; expected 0 or a probability in [eps, 1) = [{eps:g}, 1), such as 0.05."
            )
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction={reduction!r}; expected one of {', '.join(REDUCTIONS)}.")
        self.reduction = reduction
        self.loss_weight = loss_weight
        self.rule = AsymmetricRule(float(gamma_neg), float(gamma_pos), clip, eps, detach_weight)
        self.sums_quickly = self.rule.is_published and reduction != "none"
        if class_weight is None:
            self.class_weight = None  # no buffer: each look at one would be noticed
        else:
            # Part of the recipe, not of what was learnt: kept out of the state dict.
            self.register_buffer(
                "class_weight", torch.tensor(class_weight, dtype=torch.float32), persistent=False
            )

    def forward(self, logits: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Compute the loss.

        Args:
            logits: (N, C) float of any precision.
            targets: (N, C) of any dtype: 1 for a positive, 0 for a negative, between them soft; -1
                for an unknown label, which is left out.
            weight: factors of the labels, of a shape that broadcasts to (N, C).

        Returns:
            Scalar, or (N, C) with ``reduction='none'``; float32 (float64 for float64 logits).

        Raises:
            ValueError: if the shapes differ or, on CPU, a target is NaN or none of the above (on
                other devices that is not checked, as it would wait for the device).
        """
        if logits.ndim != 2 or logits.shape != targets.shape:
            raise ValueError(
                f"got logits of shape {tuple(logits.shape)} and targets of shape "
                f"{tuple(targets.shape)}; expected (N, C) for both. Multi-label losses need "
                "multi-hot targets; class ids are for SoftCrossEntropy."
            )
        if logits.dtype not in (torch.float32, torch.float64):
            logits = logits.float()
        if targets.dtype != logits.dtype:
            targets = targets.to(logits.dtype)
        if targets.requires_grad:
            targets = targets.detach()
        if not logits.numel():
            return logits if self.reduction == "none" else logits.sum()
        if self.class_weight is not None:
            if self.class_weight.shape != logits.shape[1:]:
                raise ValueError(
                    f"class_weight has {len(self.class_weight)} entries but the logits have "
                    f"{logits.shape[1]} classes. Give one weight a class."
                )
            weight = self.class_weight if weight is None else weight * self.class_weight
        if weight is not None:
            weight = weight.detach().to(logits).expand_as(logits)
        loss: Tensor = _Asymmetric.apply(logits, targets, weight, self)
        if self.reduction == "mean":
            loss = loss / (targets >= 0).sum().clamp(min=1)
        return loss if self.loss_weight == 1 else self.loss_weight * loss

    def extra_repr(self) -> str:
        """The settings, for ``print``."""
        return ", ".join(f"{k}={v}" for k, v in self.rule._asdict().items())


class _Asymmetric(torch.autograd.Function):
    """Loss and, in the same pass, its gradient, a few rows at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        targets: Tensor,
        weight: Tensor | None,
        how: AsymmetricLoss,
    ) -> Tensor:
        rule, on_cpu = how.rule, logits.is_cpu
        hard = on_cpu and how.sums_quickly
        if hard and logits.numel() <= _CPU_CHUNK:
            # Of a small batch each call of torch counts.
            found = hard_label_sum(logits, targets, weight, rule)
            if found is not None:
                ctx.save_for_backward(found[1])
                return found[0]
        chunk = _CPU_CHUNK * torch.get_num_threads() if on_cpu else _DEVICE_CHUNK
        # At least two parts: the scratch of the general way is several tensors of a part.
        rows = max(1, min(chunk // logits.shape[1], -(-len(logits) // 2)))
        grad = torch.empty_like(logits, memory_format=torch.contiguous_format)
        losses = torch.empty_like(grad) if how.reduction == "none" else None
        sums = []
        unchecked = on_cpu  # elsewhere nobody looks, as that would wait for the device
        for start in range(0, len(logits), rows):
            part = slice(start, start + rows)
            x, y = logits[part], targets[part]
            factor = None if weight is None else weight[part]
            found = hard_label_sum(x, y, factor, rule) if hard else None
            if found is not None:
                loss, grad[part] = found
                sums.append(loss)
                continue
            if unchecked:
                check_targets(targets)
                unchecked = False
            hard = False  # nor are the rest, most likely
            likelihood, slope = label_terms(x, y, rule)
            if factor is not None:
                likelihood.mul_(factor)
                slope.mul_(factor)
            grad[part] = slope
            if losses is None:
                sums.append(likelihood.sum().neg_())
            else:
                torch.neg(likelihood, out=losses[part])
            del likelihood, slope  # before the next part needs memory
        total = torch.stack(sums).sum() if losses is None else losses
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(grad)
        return total

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        # Not once_differentiable: its wrapper costs as much as a batch of 80 classes.
        if torch.is_grad_enabled():
            raise RuntimeError(
                "AsymmetricLoss cannot be differentiated twice; call backward without create_graph."
            )
        (grad,) = ctx.saved_tensors
        return grad * grad_output, None, None, None
