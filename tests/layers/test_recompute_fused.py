"""What follows from the sums that kernels give: with their plain twins, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tresnet_tasks.backbones.residual_blocks import BasicBlock, Bottleneck
from tresnet_tasks.layers import ABN

KINDS = {
    "basic": (BasicBlock, 6, 6, 1),
    "basic, strided": (BasicBlock, 4, 6, 2),
    "bottleneck": (Bottleneck, 16, 4, 1),
    "bottleneck, strided": (Bottleneck, 8, 4, 2),
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("size", [(7, 10), (2, 2), (5, 3)])
@pytest.mark.parametrize("how", [{}, {"use_se": False}, {"drop_path_rate": 0.5}])
@pytest.mark.parametrize("frozen", [slice(0), slice(None), slice(1), slice(-1, None)])
def test_the_same_as_the_plain_path(
    kind: str,
    size: tuple[int, int],
    how: dict[str, Any],
    frozen: slice,
    request: pytest.FixtureRequest,
) -> None:
    expected = _run(kind, size, frozen, recompute=False, **how)
    request.getfixturevalue("twins")
    for name, found in _run(kind, size, frozen, recompute=True, **how).items():
        torch.testing.assert_close(found, expected[name], rtol=1e-9, atol=1e-9, msg=name)


def _run(kind: str, size: tuple[int, int], frozen: slice, **kwargs: Any) -> dict[str, Tensor]:
    """Outputs, gradients and statistics after a forward and a backward pass."""
    torch.manual_seed(0)
    block, in_channels, planes, stride = KINDS[kind]
    made = block(in_channels, planes, stride, slope=0.1, **kwargs).double().train()
    norms = [module for module in made.modules() if isinstance(module, ABN)]
    for norm in norms:
        nn.init.normal_(norm.weight)  # of both signs
        norm.weight.data[0] = 0
        nn.init.normal_(norm.bias)
    for norm in norms[frozen]:
        norm.eval()
    x = torch.randn(3, in_channels, *size, dtype=torch.float64, requires_grad=True)
    out = made(x)
    (out * torch.randn_like(out)).sum().backward()
    gradients = {f"d_{name}": p.grad for name, p in made.named_parameters()}
    return {"out": out.detach(), "d_x": x.grad, **gradients, **dict(made.named_buffers())}  # type: ignore[dict-item]
