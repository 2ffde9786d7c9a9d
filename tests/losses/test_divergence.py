from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy
from torch import Tensor

from tresnet_tasks.losses import Divergence
from tresnet_tasks.registry import MODELS

KINDS = ("js", "kl")


def _logits(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    s, t = 3 * torch.randn(2, 5, 7, dtype=torch.float64, generator=generator)
    return s.to(dtype), t.to(dtype)


def _oracle(kind: str, s: Tensor, t: Tensor, temperature: float, multi_label: bool) -> float:
    """scipy's divergences of the probabilities, in nats."""
    total = 0.0
    for student, teacher in zip(s / temperature, t / temperature, strict=True):
        if multi_label:
            pairs = [
                [torch.stack((z.sigmoid(), 1 - z.sigmoid())) for z in classes]
                for classes in zip(student, teacher, strict=True)
            ]
        else:
            pairs = [[student.softmax(0), teacher.softmax(0)]]
        for q, p in pairs:
            q, p = q.numpy(), p.numpy()
            total += jensenshannon(p, q) ** 2 if kind == "js" else entropy(p, q)
    return float(temperature**2 * total / len(s))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("multi_label", [False, True])
def test_equals_scipys(kind: str, temperature: float, multi_label: bool) -> None:
    s, t = _logits()
    loss = Divergence(kind, temperature, multi_label)(s, t)
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(_oracle(kind, s, t, temperature, multi_label), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("multi_label", [False, True])
def test_gradient(kind: str, multi_label: bool) -> None:
    s, t = _logits()
    loss = Divergence(kind, 2.0, multi_label, loss_weight=0.5)
    assert torch.autograd.gradcheck(lambda x: loss(x, t), s.requires_grad_())


def test_no_gradient_reaches_the_teacher() -> None:
    s, t = (x.requires_grad_() for x in _logits())
    Divergence()(s, t).backward()
    assert s.grad is not None and t.grad is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("multi_label", [False, True])
def test_equal_answers_cost_nothing(kind: str, multi_label: bool) -> None:
    s, _ = _logits(torch.float32)
    s.requires_grad_()
    loss = Divergence(kind, multi_label=multi_label)(s, s.detach().clone())
    loss.backward()
    assert abs(loss.item()) < 1e-6
    assert s.grad is not None and s.grad.abs().max() < 1e-6


@pytest.mark.parametrize("multi_label", [False, True])
def test_opposite_certain_answers_cost_log_2_a_distribution(multi_label: bool) -> None:
    s = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = Divergence("js", multi_label=multi_label)(s, -s.detach())
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2) * (2 if multi_label else 1))
    assert s.grad is not None and s.grad.isfinite().all()


def test_kl_is_soft_cross_entropy_but_for_a_constant() -> None:
    s, t = _logits()
    p = t.softmax(1)
    own = -(p * p.log()).sum(1).mean()
    expected = torch.nn.functional.cross_entropy(s, p) - own
    torch.testing.assert_close(Divergence("kl")(s, t), expected)


def test_the_gradient_is_as_large_at_a_high_temperature() -> None:
    """Of logits near zero; without the factor T^2 it would be a hundredth."""
    norms = []
    for temperature in (1.0, 10.0):
        s, t = (0.01 * x for x in _logits())
        Divergence("kl", temperature)(s.requires_grad_(), t).backward()
        norms.append(s.grad.norm())  # type: ignore[union-attr]
    torch.testing.assert_close(*norms, rtol=0.05, atol=0)


def test_half_precision_is_computed_in_float32() -> None:
    s, t = _logits(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        loss = Divergence()(s, t)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, Divergence()(s.float(), t.float()))


def test_other_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\).*teacher's of shape \(2, 4\).*same classes"):
        Divergence()(torch.zeros(2, 3), torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("bad", "told"),
    [({"kind": "jsd"}, "'js' or 'kl'"), ({"temperature": 0.0}, "above 0")],
)
def test_bad_settings_are_refused(bad: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        MODELS.build({"type": "Divergence", **bad})
