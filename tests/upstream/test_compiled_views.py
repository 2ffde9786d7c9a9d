from __future__ import annotations

import torch
from torch import nn

from tresnet_tasks.layers import SpaceToDepth


def test_a_stem_compiled_for_any_size_trains() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    stem = nn.Sequential(SpaceToDepth(), nn.Conv2d(48, 8, 3, padding=1, bias=False))
    compiled = torch.compile(stem, fullgraph=True, dynamic=True)
    for shape in ((2, 3, 32, 24), (3, 3, 40, 64)):
        x = torch.rand(shape)
        gradients = []
        for run in (stem, compiled):
            stem.zero_grad()
            out = run(x)
            out.square().mean().backward()
            gradients.append(stem[1].weight.grad.clone())
        torch.testing.assert_close(out, stem(x), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
    torch._dynamo.reset()
