"""Loss weights that are learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class UncertaintyWeights(nn.Module):
    """Weigh each head's loss L by its learned uncertainty: exp(-s) L + s / 2.

    Kendall, Gal and Cipolla, `Multi-Task Learning Using Uncertainty to Weigh Losses`, 2018, with
    s = log sigma^2; their factor 1/2 of regression losses is left to the fixed weights.

    Args:
        heads: names of the heads. At s = 0, the start, the weights are 1.
    """

    def __init__(self, heads: Sequence[str]) -> None:
        super().__init__()
        self.log_variances = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(())) for name in heads}
        )

    def forward(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weigh losses called ``HEAD.loss...``; what is no loss stays as it is."""
        weighed = {}
        for key, value in losses.items():
            name, _, rest = key.partition(".")
            weighed[key] = value * (-self.log_variances[name]).exp() if "loss" in rest else value
        for name, s in self.log_variances.items():
            weighed[f"{name}.loss_uncertainty"] = s / 2
        return weighed
