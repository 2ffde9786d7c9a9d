"""Mixed precision on a machine without a GPU.

mmengine 0.10's ``AmpOptimWrapper`` asserts that a CUDA device (or another accelerator) is there, and always carries a
gradient scaler, which bfloat16 does not need. It can go when mmengine's wrapper runs bfloat16 on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn


class BFloat16OptimWrapper(OptimWrapper):
    """Forward passes under bfloat16 autocast, on the CPU and on CUDA; weights and their updates stay float32."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast, and skip the gradient exchange of micro-batches that do not step yet."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield
