"""Activated batch normalisation: BatchNorm and leaky ReLU as one layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ABN(nn.BatchNorm2d):
    """Batch normalisation followed by a leaky ReLU.

    The plain form of InPlace-ABN (arXiv 1712.02616), the normalisation layer of TResNet.
    Checkpoints written with InPlace-ABN hold weights w that act as |w| + 1e-5;
    ``tresnet_tasks.weights`` converts them on loading.

    Args:
        num_features: channels of the input.
        slope: negative slope of the leaky ReLU; None for no activation at all.
    """

    def __init__(self, num_features: int, slope: float | None = None) -> None:
        super().__init__(num_features, eps=1e-5, momentum=0.1)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Normalise and activate (N, C, H, W)."""
        x = super().forward(x)
        # In place is safe: neither batch norm nor leaky ReLU needs the normalised values for its
        # backward pass.
        return x if self.slope is None else F.leaky_relu(x, self.slope, inplace=True)

    @property
    def uses_batch_statistics(self) -> bool:
        """Whether it normalises by the batch: in training, or without running statistics."""
        return self.training or self.running_mean is None

    @torch.no_grad()
    def track(self, mean: Tensor, var: Tensor, count: int | Tensor) -> None:
        """Move the running statistics towards a batch's, as batch norm does.

        Args:
            mean: (C,).
            var: (C,), biased.
            count: values a channel, N * H * W; a batch of none leaves the statistics.
        """
        momentum = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:  # the plain average over all batches
                momentum = 1 / int(self.num_batches_tracked)
        if self.running_mean is None or self.running_var is None or momentum is None:
            return
        if isinstance(count, Tensor):
            var = var * (count / (count - 1).clamp(min=1))
        elif count == 0:
            return
        else:
            var = var * (count / max(count - 1, 1))
        self.running_mean.lerp_(mean.to(self.running_mean), momentum)
        self.running_var.lerp_(var.to(self.running_var), momentum)

    def extra_repr(self) -> str:
        """Add the slope to BatchNorm's description."""
        return f"{nn.BatchNorm2d.extra_repr(self)}, slope={self.slope}"  # type: ignore[no-untyped-call]


class keep_statistics:
    """Leave the running statistics below ``module`` as they are while the context lasts.

    Activation checkpointing runs a block's forward pass again; without this each further run would
    count the batch once more in the running mean and variance. The context may be entered again
    and again, as by several backward passes through one graph.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __enter__(self) -> None:
        norms = [m for m in self._module.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
        self._kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
        for norm in norms:
            norm.momentum = 0.0  # new = 1 * old + 0 * batch
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked = norm.num_batches_tracked.clone()

    def __exit__(self, *_: object) -> None:
        for norm, momentum, batches in self._kept:
            norm.momentum, norm.num_batches_tracked = momentum, batches
