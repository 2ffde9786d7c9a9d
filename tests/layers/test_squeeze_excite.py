from __future__ import annotations

import torch
from timm.layers import SEModule

from tresnet_tasks.layers import SqueezeExcite


def test_equals_timm_with_gradients() -> None:
    torch.manual_seed(0)
    theirs = SEModule(12, rd_channels=8)
    ours = SqueezeExcite(12, 8)
    ours.load_state_dict(theirs.state_dict())
    a = torch.randn(2, 12, 5, 7, requires_grad=True)
    b = a.detach().clone().requires_grad_()
    out, expected = ours(a), theirs(b)
    torch.testing.assert_close(out, expected, rtol=1e-6, atol=1e-7)
    out.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=1e-6)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(
            parameter.grad, theirs.get_parameter(name).grad, rtol=1e-5, atol=1e-6
        )


def test_gate_is_one_number_a_channel_between_0_and_1() -> None:
    x = torch.rand(2, 4, 3, 3) + 0.5
    gate = SqueezeExcite(4, 4)(x) / x
    torch.testing.assert_close(gate, gate[:, :, :1, :1].expand_as(gate))
    assert ((gate > 0) & (gate < 1)).all()
