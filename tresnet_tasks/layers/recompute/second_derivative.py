"""What the memory path does not do."""

from __future__ import annotations

import torch


def refuse_second_derivative() -> None:
    """Raise if a backward pass is itself to be differentiated (``create_graph=True``)."""
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        raise RuntimeError(
            "got a second derivative (backward with create_graph=True) through a TResNet of "
            "abn='memory', which has first derivatives alone. Build it with abn='plain', which "
            "loads the same checkpoints."
        )
