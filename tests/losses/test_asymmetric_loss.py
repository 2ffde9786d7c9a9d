"""Against the published definition, written out here, and against torch's and torchvision's losses."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from tresnet_tasks.losses import AsymmetricLoss
from tresnet_tasks.registry import MODELS

N, C = 7, 11


@pytest.fixture
def logits() -> Tensor:
    x = torch.randn(N, C, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    x[0, :4] = torch.tensor([-20.0, 20.0, -20.0, 20.0])  # on both sides of the floor
    return x


@pytest.fixture
def targets() -> Tensor:
    y = (torch.rand(N, C, generator=torch.Generator().manual_seed(1)) < 0.3).double()
    y[0, :4] = torch.tensor([1.0, 1.0, 0.0, 0.0])
    return y


def published(
    x: Tensor,
    y: Tensor,
    gamma_neg: float = 4,
    gamma_pos: float = 0,
    clip: float = 0.05,
    eps: float = 1e-8,
    detach_weight: bool = True,
) -> Tensor:
    """Loss of each label as in the paper and its code; of hard targets."""
    p = torch.sigmoid(x)
    not_p = (1 - p + clip).clamp(max=1)
    log_likelihood = y * p.clamp(min=eps).log() + (1 - y) * not_p.clamp(min=eps).log()
    pt = p * y + not_p * (1 - y)
    weight = torch.pow(1 - pt, gamma_pos * y + gamma_neg * (1 - y))
    return -log_likelihood * (weight.detach() if detach_weight else weight)


def value_and_grad(function: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().clone().requires_grad_()
    loss = function(x, y)
    loss.backward()
    assert x.grad is not None
    return loss.detach(), x.grad


SETTINGS = [
    {"gamma_neg": gn, "gamma_pos": gp, "clip": clip, "detach_weight": detach}
    for gn, gp, clip, detach in itertools.product(
        (0.0, 1.0, 2.5, 4.0), (0.0, 1.0, 0.5), (0.0, 0.05, 0.9), (True, False)
    )
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
def test_value_and_gradient_are_those_of_the_definition(
    logits: Tensor, targets: Tensor, settings: dict[str, Any]
) -> None:
    expected = value_and_grad(lambda x, y: published(x, y, **settings).sum(), logits, targets)
    got = value_and_grad(AsymmetricLoss(**settings), logits, targets)
    torch.testing.assert_close(got[0], expected[0], rtol=1e-9, atol=0)
    torch.testing.assert_close(got[1], expected[1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("settings", [{}, {"clip": 0.0}, {"gamma_pos": 1.0}])
def test_float32_agrees_to_a_millionth(
    logits: Tensor, targets: Tensor, settings: dict[str, Any]
) -> None:
    logits = logits.float().double()  # 3 of the published ones, none of them rounded
    expected = value_and_grad(lambda x, y: published(x, y, **settings).sum(), logits, targets)
    got = value_and_grad(AsymmetricLoss(**settings), logits.float(), targets.float())
    assert got[0].dtype == torch.float32
    torch.testing.assert_close(got[0].double(), expected[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(got[1].double(), expected[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("gamma_neg", "gamma_pos", "clip"), [(4, 0, 0.05), (2, 1, 0), (0, 0, 0.1)])
def test_gradcheck(gamma_neg: float, gamma_pos: float, clip: float) -> None:
    loss = AsymmetricLoss(gamma_neg, gamma_pos, clip, detach_weight=False, reduction="none")
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[1, 0, -1], [0, 0, 1], [1, 1, 0], [0.3, 0, 1]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda logits: loss(logits, y), (x,))


def test_without_focusing_it_is_binary_cross_entropy(targets: Tensor) -> None:
    x = torch.randn(N, C, generator=torch.Generator().manual_seed(3)) * 4
    bce = AsymmetricLoss(gamma_neg=0, gamma_pos=0, clip=0)
    expected = value_and_grad(
        lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="sum"), x, targets.float()
    )
    torch.testing.assert_close(value_and_grad(bce, x, targets), expected, rtol=1e-6, atol=1e-7)


def test_without_a_floor_it_is_binary_cross_entropy_everywhere() -> None:
    x = torch.tensor([[-100.0, 100.0, -100.0, 100.0]])
    y = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    bce = AsymmetricLoss(gamma_neg=0, gamma_pos=0, clip=0, eps=0)
    expected = value_and_grad(
        lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="sum"), x, y
    )
    torch.testing.assert_close(value_and_grad(bce, x, y), expected)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 3.5])
def test_equal_focusing_is_torchvisions_focal_loss(
    logits: Tensor, targets: Tensor, gamma: float
) -> None:
    ours = AsymmetricLoss(gamma, gamma, clip=0, eps=0, detach_weight=False)
    expected = value_and_grad(
        lambda x, y: sigmoid_focal_loss(x, y, alpha=-1, gamma=gamma, reduction="sum"),
        logits,
        targets,
    )
    torch.testing.assert_close(value_and_grad(ours, logits, targets), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("settings", SETTINGS[::5], ids=lambda s: "-".join(map(str, s.values())))
def test_logits_of_100_stay_finite(dtype: torch.dtype, settings: dict[str, Any]) -> None:
    x = torch.tensor([[-100, 100, 0, 0, -100, 100], [-100, 100, -15, 15, -88, 17]], dtype=dtype)
    y = torch.tensor([[1, 1, 1, 0, 0, 0]]).repeat(2, 1)
    loss, grad = value_and_grad(AsymmetricLoss(**settings), x, y)
    assert grad.dtype == dtype
    assert loss.isfinite() and grad.isfinite().all()
    expected = published(x.double(), y.double(), **settings).sum()
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=0)


def test_fast_and_general_way_agree(logits: Tensor, targets: Tensor) -> None:
    loss = AsymmetricLoss(reduction="none")
    soft = targets.clone()
    soft[0, 5] = 0.5  # takes the general way
    one, other = (
        value_and_grad(lambda x, y: loss(x, y).sum(), logits, y)[1] for y in (targets, soft)
    )
    same = torch.ones_like(targets, dtype=torch.bool)
    same[0, 5] = False
    torch.testing.assert_close(one[same], other[same])
    torch.testing.assert_close(loss(logits, targets)[same], loss(logits, soft)[same])


def test_large_batches_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(50, 9, generator=generator, dtype=torch.float64)
    y = (torch.rand(50, 9, generator=generator) < 0.3).double()
    y[3, 4] = -1
    weight = torch.rand(9, generator=generator)
    whole = [value_and_grad(lambda x, y: AsymmetricLoss()(x, y, weight), x, y)]
    whole_labels = AsymmetricLoss(reduction="none")(x, y)
    monkeypatch.setattr("tresnet_tasks.losses.asymmetric_loss._CPU_CHUNK", 20)
    torch.testing.assert_close(
        value_and_grad(lambda x, y: AsymmetricLoss()(x, y, weight), x, y), whole[0]
    )
    torch.testing.assert_close(AsymmetricLoss(reduction="none")(x, y), whole_labels)


def test_memory_layout_does_not_matter(logits: Tensor, targets: Tensor) -> None:
    turned = value_and_grad(
        lambda x, y: AsymmetricLoss()(x.T, y.T), logits.T.contiguous(), targets.T.contiguous()
    )
    expected = value_and_grad(AsymmetricLoss(), logits, targets)
    torch.testing.assert_close((turned[0], turned[1].T), expected)


def test_unknown_and_soft_targets_that_balance_are_no_hard_ones(logits: Tensor) -> None:
    targets = torch.tensor([[-1.0] + [0.5] * 8 + [0.0, 1.0]]).repeat(N, 1).double()
    known = logits[:, 1:], targets[:, 1:]
    torch.testing.assert_close(AsymmetricLoss()(logits, targets), AsymmetricLoss()(*known))


def test_soft_targets_mix_both_losses(logits: Tensor) -> None:
    y = torch.rand(N, C, generator=torch.Generator().manual_seed(5)).double()
    ones, zeros = torch.ones_like(y), torch.zeros_like(y)
    expected = y * published(logits, ones) + (1 - y) * published(logits, zeros)
    torch.testing.assert_close(AsymmetricLoss(reduction="none")(logits, y), expected)


@pytest.mark.parametrize("settings", [{}, {"gamma_pos": 1.0, "detach_weight": False}])
def test_unknown_labels_are_left_out(
    logits: Tensor, targets: Tensor, settings: dict[str, Any]
) -> None:
    unknown = torch.rand(N, C, generator=torch.Generator().manual_seed(6)) < 0.4
    y = targets.masked_fill(unknown, -1)
    expected = published(logits, targets, **settings)[~unknown].sum()
    loss, grad = value_and_grad(AsymmetricLoss(**settings), logits, y)
    torch.testing.assert_close(loss, expected)
    assert not grad[unknown].any()
    mean = AsymmetricLoss(**settings, reduction="mean")(logits, y)
    torch.testing.assert_close(mean, expected / (~unknown).sum())


def test_the_mean_of_no_known_label_is_zero(logits: Tensor, targets: Tensor) -> None:
    loss, grad = value_and_grad(
        AsymmetricLoss(reduction="mean"), logits, torch.full_like(targets, -1)
    )
    assert loss == 0
    assert not grad.any()


def test_an_empty_batch_has_no_loss() -> None:
    assert AsymmetricLoss()(torch.zeros(0, 5), torch.zeros(0, 5)) == 0


def test_class_weights_and_label_weights_multiply(logits: Tensor, targets: Tensor) -> None:
    classes = torch.rand(C, generator=torch.Generator().manual_seed(7))
    images = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])[:, None]
    expected = value_and_grad(
        lambda x, y: (published(x, y) * classes * images).sum(), logits, targets
    )
    loss = AsymmetricLoss(class_weight=classes.tolist())
    got = value_and_grad(lambda x, y: loss(x, y, images), logits, targets)
    torch.testing.assert_close(got, expected)
    assert not loss.state_dict()


def test_loss_weight_scales_value_and_gradient(logits: Tensor, targets: Tensor) -> None:
    loss, grad = value_and_grad(AsymmetricLoss(loss_weight=0.25), logits, targets)
    plain, plain_grad = value_and_grad(AsymmetricLoss(), logits, targets)
    torch.testing.assert_close((loss, grad), (plain / 4, plain_grad / 4))


def test_float32_under_bfloat16_autocast(logits: Tensor, targets: Tensor) -> None:
    half = logits.bfloat16()
    expected = AsymmetricLoss()(half.float(), targets.float())
    with torch.autocast("cpu", torch.bfloat16):
        loss = AsymmetricLoss()(half, targets)
    assert loss.dtype == torch.float32
    assert loss == expected


def test_the_gradient_mode_stays_as_it_was(logits: Tensor, targets: Tensor) -> None:
    AsymmetricLoss()(logits, targets)
    assert torch.is_grad_enabled()
    with torch.no_grad():
        loss = AsymmetricLoss()(logits.requires_grad_(), targets)
        assert not torch.is_grad_enabled()
    assert not loss.requires_grad


def test_inputs_stay_as_they_were(logits: Tensor, targets: Tensor) -> None:
    before = logits.clone(), targets.clone()
    value_and_grad(AsymmetricLoss(), logits, targets)
    AsymmetricLoss(gamma_pos=1, clip=0)(logits, targets)
    assert torch.equal(logits, before[0]) and torch.equal(targets, before[1])


def test_one_tensor_is_kept_for_the_backward_pass(logits: Tensor, targets: Tensor) -> None:
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: (kept.append(t.numel()), t)[1], lambda t: t
    ):
        AsymmetricLoss()(logits.requires_grad_(), targets)
    assert kept == [N * C]


def test_a_second_derivative_is_refused(logits: Tensor, targets: Tensor) -> None:
    loss = AsymmetricLoss()(logits.requires_grad_(), targets)
    with pytest.raises(RuntimeError, match="twice"):
        torch.autograd.grad(loss, logits, create_graph=True)


@pytest.mark.parametrize("wrong", [2.0, -0.5, -2.0, math.nan])
def test_what_is_no_label_is_refused(logits: Tensor, targets: Tensor, wrong: float) -> None:
    targets[2, 3] = wrong
    with pytest.raises(ValueError, match=rf"1 targets are not labels, the first is {wrong:g}"):
        AsymmetricLoss()(logits, targets)


def test_class_ids_are_refused(logits: Tensor) -> None:
    with pytest.raises(ValueError, match=r"\(7,\).*multi-hot"):
        AsymmetricLoss()(logits, torch.zeros(N))


def test_weights_of_other_classes_are_refused(logits: Tensor, targets: Tensor) -> None:
    with pytest.raises(ValueError, match="3 entries but the logits have 11"):
        AsymmetricLoss(class_weight=[1, 2, 3])(logits, targets)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gamma_neg": -1}, "gamma_neg=-1"),
        ({"clip": 1.0}, "clip=1.0"),
        ({"clip": 1e-9}, "clip=1e-09"),
        ({"eps": 1.0}, "eps=1.0"),
        ({"reduction": "avg"}, "'avg'.*sum, mean, none"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AsymmetricLoss(**arguments)


def test_is_built_by_name() -> None:
    assert isinstance(MODELS.build({"type": "AsymmetricLoss", "clip": 0}), AsymmetricLoss)


def test_targets_of_a_graph_are_taken_as_they_are() -> None:
    x = torch.randn(2, 3, requires_grad=True)
    y = torch.tensor([[1.0, 0, 0], [0, 1, 0]], requires_grad=True)
    AsymmetricLoss()(x, y).backward()
    assert x.grad is not None and y.grad is None
