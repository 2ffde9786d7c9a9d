"""Focal losses with integer labels and weights of classes: plain torch.

torchvision's ``sigmoid_focal_loss`` takes dense targets of the size of the logits, and has no class
weights; it is the oracle of the tests.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .precision import operator, widened


def _times_class_weight(values: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """``values`` times ``weight[target]``; 1 for background, which has no weight."""
    if weight.numel() == 0:
        return values
    known = (target >= 0) & (target < len(weight))
    factor = torch.where(known, widened(weight)[torch.where(known, target, 0)], 1.0)
    return values * factor.view(-1, *[1] * (values.dim() - 1))


def _is_target(target: Tensor, classes: int) -> Tensor:
    return target[:, None] == torch.arange(classes, device=target.device)


@operator
def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, *, gamma: float, alpha: float
) -> None:
    """Focal loss (Lin et al. 2017) of each logit, written into ``output``.

    Args:
        input: (N, C) logits.
        target: (N,) int64, a class or anything outside [0, C) for background.
        weight: (C,), or empty.
        output: (N, C).
        gamma: exponent of the modulating factor.
        alpha: weight of the positives; 1 - alpha is that of the negatives.

    Memory: about 6 tensors of the size of ``input``.
    """
    logits = widened(input)
    positive = _is_target(target, logits.shape[1])
    signed = torch.where(positive, logits, -logits)
    share = torch.where(positive, logits.new_tensor(alpha), logits.new_tensor(1 - alpha))
    loss = -share * torch.sigmoid(-signed) ** gamma * functional.logsigmoid(signed)
    output.copy_(_times_class_weight(loss, target, weight))


@operator
def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, *, gamma: float, alpha: float
) -> None:
    """Derivative of each loss in its own logit, written into ``grad_input`` (N, C).

    Other arguments and memory: see `sigmoid_focal_loss_forward`.
    """
    logits = widened(input)
    positive = _is_target(target, logits.shape[1])
    signed = torch.where(positive, logits, -logits)
    share = torch.where(positive, logits.new_tensor(alpha), logits.new_tensor(1 - alpha))
    right, wrong = torch.sigmoid(signed), torch.sigmoid(-signed)
    slope = share * wrong**gamma * (gamma * right * functional.logsigmoid(signed) - wrong)
    grad = torch.where(positive, slope, -slope)
    grad_input.copy_(_times_class_weight(grad, target, weight))


def _probability_of_target(softmax: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    known = target >= 0
    chosen = softmax.gather(1, torch.where(known, target, 0)[:, None])[:, 0]
    return chosen.clamp(min=torch.finfo(torch.float32).tiny), known


@operator
def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, *, gamma: float, alpha: float
) -> None:
    """Focal loss of each sample under a softmax, written into ``output``.

    Args:
        input: (N, C) probabilities, after the softmax.
        target: (N,) int64 in [0, C); negative for samples that do not count.
        weight: (C,), or empty.
        output: (N,).
        gamma: exponent of the modulating factor.
        alpha: weight of the loss.

    Memory: a float32 copy of ``input`` if that is half.
    """
    chosen, known = _probability_of_target(widened(input), target)
    loss = -alpha * (1 - chosen) ** gamma * chosen.log()
    output.copy_(_times_class_weight(torch.where(known, loss, 0.0), target, weight))


@operator
def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    *,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative of each loss in its logits, written into ``grad_input`` (N, C).

    Args:
        input: (N, C) probabilities, after the softmax.
        target: see `softmax_focal_loss_forward`, as for the others.
        weight: (C,), or empty.
        buff: (N,), room to compute in; left with the factor of each sample.
        grad_input: (N, C).
        gamma: exponent of the modulating factor.
        alpha: weight of the loss.

    Memory: about 2 tensors of the size of ``input``.
    """
    softmax = widened(input)
    chosen, known = _probability_of_target(softmax, target)
    factor = -((1 - chosen) ** gamma)
    if gamma:
        # Where the probability is 1, a power below 0 is infinite and the logarithm 0.
        wrong = (1 - chosen).clamp(min=torch.finfo(torch.float32).tiny)
        factor += gamma * wrong ** (gamma - 1) * chosen * chosen.log()
    factor = _times_class_weight(torch.where(known, alpha * factor, 0.0), target, weight)
    buff.copy_(factor)
    grad_input.copy_(factor[:, None] * (_is_target(target, softmax.shape[1]).to(softmax) - softmax))
