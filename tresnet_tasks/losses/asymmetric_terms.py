"""The asymmetric likelihood of single labels, and the slope of the loss, which is its negative."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


class AsymmetricRule(NamedTuple):
    """The settings of ``AsymmetricLoss`` that decide about one label."""

    gamma_neg: float
    gamma_pos: float
    clip: float
    eps: float
    detach_weight: bool

    @property
    def floor(self) -> float:
        """The least value of a logarithm."""
        return math.log(self.eps) if self.eps > 0 else -math.inf

    @property
    def is_published(self) -> bool:
        """Whether this is one of the published recipes, which ``hard_label_sum`` serves."""
        published = self.gamma_neg > 0 and self.gamma_pos == 0 and self.clip > 0 and self.eps > 0
        return published and self.detach_weight


def check_targets(targets: Tensor) -> None:
    """Refuse targets outside [0, 1] that are not -1.

    Args:
        targets: of any shape, not empty, on a CPU.

    Raises:
        ValueError: naming the first such target.
    """
    low, high = (bound.item() for bound in targets.aminmax())  # NaN if there is any
    if low >= 0 and high <= 1:
        return
    wrong = ~((targets >= 0) & (targets <= 1) | (targets == -1))
    if wrong.any():
        raise ValueError(
            f"{int(wrong.sum())} targets are not labels, the first is {targets[wrong][0].item():g}; "
            "expected 1 (positive), 0 (negative), -1 (unknown) or a soft target between 0 and 1. "
            "Check the annotations."
        )


def hard_label_sum(
    x: Tensor, y: Tensor, weight: Tensor | None, rule: AsymmetricRule
) -> tuple[Tensor, Tensor] | None:
    """The loss summed over the labels, and its slope, at half the cost, for published rules on a CPU.

    With t the probability of what is true (shifted by the clip for negatives), the terms are
    -w log(t) and -w t'/t; so one logarithm and one division do for both kinds of label. Where the
    clip counts a negative as nothing, t is above 1 and w is 0.

    In NumPy, as half the time of a small batch is what torch's calls cost beside the arithmetic.

    Args:
        x: logits, float32 or float64, of any shape.
        y: targets likewise.
        weight: factors of the labels, of the same shape.
        rule: the settings.

    Returns:
        The sum and the slope; None if a target is neither 0 nor 1, or a t reaches the floor.
    """
    slope = x.sigmoid()
    p, positive = slope.numpy(), y.numpy()
    negative = 1 - positive
    q = negative * -rule.clip
    q += p
    truth = negative - q  # of a positive -t, from which the slope has its sign
    negative *= positive
    soft = negative.ravel()  # y (1 - y)
    if soft.dot(soft) != 0:
        return None
    t = np.abs(truth, out=negative)
    if not t.min() > rule.eps:
        return None
    focus = np.maximum(q, positive, out=q)
    if rule.gamma_neg == 4:
        focus *= focus
        focus *= focus
    else:
        focus **= rule.gamma_neg
    if weight is not None:
        focus *= weight.numpy()
    p -= p * p  # dp/dx
    p /= truth
    p *= focus
    total = np.log(t, out=t).ravel().dot(focus.ravel())
    return x.new_full((), -float(total)), slope


def label_terms(x: Tensor, y: Tensor, rule: AsymmetricRule) -> tuple[Tensor, Tensor]:
    """Weighted log-likelihood of each label, and the slope of the loss by the logit.

    Args:
        x: logits, float32 or float64, of any shape.
        y: targets in [0, 1], likewise; -1 where unknown.
        rule: the settings.

    Returns:
        Two new tensors of the shape of ``x``; 0 where the target is unknown.
    """
    p = x.sigmoid()
    log_p = F.logsigmoid(x)
    log_p, slope = _positive(p, log_p, rule)
    log_n, slope_neg = _negative(p, x, rule)
    unknown = y < 0
    # lerp returns its ends exactly at the weights 0 and 1.
    log_p, slope = torch.lerp(log_n, log_p, y), torch.lerp(slope_neg, slope, y)
    return log_p.masked_fill_(unknown, 0), slope.masked_fill_(unknown, 0)


def _positive(p: Tensor, log_p: Tensor, rule: AsymmetricRule) -> tuple[Tensor, Tensor]:
    slope = p - 1
    if _reaches(log_p, rule.floor):
        slope *= log_p > rule.floor
        log_p = log_p.clamp(min=rule.floor)
    if rule.gamma_pos > 0:
        if not rule.detach_weight:
            slope += rule.gamma_pos * p * log_p
        focus = power_(1 - p, rule.gamma_pos)
        slope *= focus
        log_p = log_p * focus
    return log_p, slope


def _negative(p: Tensor, x: Tensor, rule: AsymmetricRule) -> tuple[Tensor, Tensor]:
    """``p`` may be overwritten."""
    if rule.clip == 0:
        log_n = F.logsigmoid(-x)  # 1 - p would be 0 for large logits
        slope = p
        if _reaches(log_n, rule.floor):
            slope = slope * (log_n > rule.floor)
            log_n = log_n.clamp(min=rule.floor)
        if rule.gamma_neg > 0:
            if not rule.detach_weight:
                slope = slope - rule.gamma_neg * (1 - p) * log_n
            focus = power_(p.clone(), rule.gamma_neg)
            slope = slope * focus
            log_n = log_n * focus
        return log_n, slope
    q = (p - rule.clip).clamp_(min=0)
    log_n = q.neg().log1p_()
    slope = torch.addcmul(p, p, p, value=-1)  # dp/dx
    if rule.gamma_neg == 0:
        return log_n, slope.div_(1 - q).mul_(q > 0)
    if rule.detach_weight:
        slope /= 1 - q
    else:
        # The smallest normal number keeps 0 / 0 away; the focusing factor is 0 there.
        tiny = torch.finfo(q.dtype).tiny
        slope *= 1 / (1 - q) - rule.gamma_neg * log_n / q.clamp(min=tiny)
    focus = power_(q, rule.gamma_neg)
    slope *= focus
    return log_n.mul_(focus), slope


def _reaches(log_p: Tensor, floor: float) -> bool:
    """Whether the floor matters; not asked where the answer would have to come from a device."""
    if floor == -math.inf:
        return False
    return log_p.device.type != "cpu" or log_p.min().item() <= floor


def power_(base: Tensor, exponent: float) -> Tensor:
    """``base ** exponent``, written over ``base``; fast for the whole exponents that are in use."""
    if exponent == 4:  # torch multiplies for 1, 2 and 3 itself
        return base.mul_(base).mul_(base)
    return base.pow_(exponent)
