"""How much arithmetic there is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def forward_flops(model: nn.Module, images: Tensor) -> int:
    """Floating-point operations of a forward pass (a multiplication and an addition: 2)."""
    training = model.training
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(images)
    model.train(training)
    total: int = counter.get_total_flops()
    return total
