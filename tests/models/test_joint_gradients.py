"""What each head's loss asks of the trunk, and what the trunk gets; autograd is the oracle."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from tresnet_tasks.models import MultiTaskModel

WEIGHTS = {"cls": 0.5, "tags": 2.0, "boxes": 1.5}


def trunk_gradient(loss: Tensor, model: MultiTaskModel) -> Tensor:
    grads = torch.autograd.grad(
        loss, list(model.backbone.parameters()), retain_graph=True, materialize_grads=True
    )
    return torch.cat([g.flatten() for g in grads])


@pytest.fixture
def images() -> Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 3, 64, 64)


def test_the_joint_gradient_is_the_weighted_sum_of_the_single_ones(
    joint: Any, images: Tensor
) -> None:
    samples = [joint.sample(), joint.sample()]
    model = joint.build(loss_weights=WEIGHTS).eval()
    together = trunk_gradient(joint.total(model(images, samples, mode="loss")), model)
    apart: Any = 0
    for name, head in joint.HEADS.items():
        neck = {} if name == "boxes" else {"neck": None}
        alone = joint.build(heads={name: head}, **neck).eval()
        alone.load_state_dict(model.state_dict(), strict=False)
        loss = joint.total(alone(images, samples, mode="loss"))
        apart = apart + WEIGHTS[name] * trunk_gradient(loss, alone)
    assert (together - apart).norm() <= 1e-5 * apart.norm()


@pytest.mark.parametrize(
    ("backbone", "amp"),
    [({}, False), ({"with_cp": True}, False), ({"abn": "memory"}, False), ({}, True)],
    ids=["plain", "checkpointing", "memory", "bf16"],
)
def test_the_gradients_of_heads_that_share_no_image_and_no_map_are_compared(
    joint: Any, images: Tensor, backbone: dict[str, Any], amp: bool
) -> None:
    """Classes read C5 of one image, boxes the pyramid of C3 and C4 of another."""
    heads = copy.deepcopy(joint.HEADS)
    heads["boxes"]["detector"]["bbox_head"].update(
        strides=[8, 16], regress_ranges=((-1, 16), (16, 1e8))
    )
    settings = {
        "heads": heads,
        "neck": {**joint.NECK, "end_level": 1, "num_outs": 2},
        "loss_weights": WEIGHTS,
    }
    samples = [joint.sample(tags=False, boxes=False), joint.sample(cls=False)]
    plain = joint.build(**settings)
    model = joint.build(backbone={**joint.BACKBONE, **backbone}, **settings)
    with torch.autocast("cpu", torch.bfloat16, enabled=amp):
        losses = plain(images, samples, mode="loss")
    rows = torch.stack([trunk_gradient(joint.total(losses, f"{h}."), plain) for h in plain.heads])
    model.balance.wanted = True
    with torch.autocast("cpu", torch.bfloat16, enabled=amp):
        measured = model(images, samples, mode="loss")
    products = rows @ rows.T
    torch.testing.assert_close(model.balance.products, products, rtol=1e-3, atol=1e-5)
    assert products[0, 2] != 0
    # Nothing but the measurement has happened: statistics and gradients are those of one pass.
    joint.total(measured).backward()
    joint.total(losses).backward()
    for name, parameter in plain.named_parameters():
        grad = model.get_parameter(name).grad
        torch.testing.assert_close(grad, parameter.grad, rtol=1e-3, atol=1e-5)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(model.get_buffer(name), buffer)


@pytest.mark.parametrize("method", ["norm", "pcgrad"])
def test_a_balanced_trunk_gets_each_heads_gradient_by_its_factor(
    joint: Any, images: Tensor, method: str
) -> None:
    samples = [joint.sample(), joint.sample()]
    plain, model = joint.build().eval(), joint.build(balance=method)
    model.load_state_dict(plain.state_dict(), strict=False)
    for module in model.backbone.modules():
        module.eval()  # the same statistics in both
    losses = plain(images, samples, mode="loss")
    rows = torch.stack([trunk_gradient(joint.total(losses, f"{h}."), plain) for h in plain.heads])
    joint.total(model(images, samples, mode="loss")).backward()
    factors = model.balance.factors
    assert (factors - 1).abs().max() > 0.01
    found = torch.cat([p.grad.flatten() for p in model.backbone.parameters()])
    expected = factors @ rows
    assert (found - expected).norm() <= 1e-4 * expected.norm()
    if method == "norm":
        norms = factors * rows.norm(dim=1)
        torch.testing.assert_close(norms, norms.mean().expand(3), rtol=1e-3, atol=1e-5)
    joint.total(losses).backward()
    for name, parameter in plain.heads.named_parameters():  # heads keep their own gradient
        torch.testing.assert_close(model.heads.get_parameter(name).grad, parameter.grad)


def test_a_frozen_trunk_and_a_frozen_head_ask_for_nothing(joint: Any, images: Tensor) -> None:
    model = joint.build(frozen=("backbone", "tags"), balance="norm", uncertainty=True)
    losses = model(images, [joint.sample(), joint.sample()], mode="loss")
    assert model.balance.products is None
    assert not any(name.startswith("tags.") for name in losses)
    joint.total(losses).backward()
