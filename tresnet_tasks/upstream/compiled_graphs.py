"""Several backward passes through what ``torch.compile`` made.

torch (seen in 2.15) lets the compiled backward pass write into what the forward pass has kept, and
then refuses ``retain_graph=True``, which says that another backward pass will come. Can go when torch
decides so where the backward pass is called.
"""

from __future__ import annotations

from torch._functorch import config


def keep_compiled_graphs() -> None:
    """Let all that is compiled from now on pass its gradients several times, for some more memory."""
    config.donated_buffer = False
