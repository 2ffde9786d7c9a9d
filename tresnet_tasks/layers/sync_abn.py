"""Batch normalisation with the statistics of all processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from .abn import ABN
from .global_moments import global_moments

_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class SyncABN(ABN):
    """`ABN` whose batch is that of all processes.

    torch's ``SyncBatchNorm`` runs on GPUs alone and has no activation, so that converting to it
    would take a TResNet's leaky ReLUs away. This one runs wherever ``torch.distributed`` does (gloo
    on CPUs, NCCL), weighs every process by its number of values (batches may differ in size, one
    may be empty), takes the unbiased variance of the whole into the running statistics, and leaves
    them equal to the last bit on every process. In a single process, and in evaluation, it is
    `ABN`. Takes (N, C, ...) of any number of dimensions; `convert` makes it of layers that exist.

    Args:
        num_features: channels of the input.
        slope: negative slope of the leaky ReLU; None for no activation at all.
    """

    @classmethod
    def convert(cls, module: nn.Module) -> nn.Module:
        """Synchronise every batch norm in a module, in place: names, parameters and buffers stay.

        Args:
            module: a layer or a whole model; instance, group and layer norms are left alone.

        Returns:
            ``module``.

        Raises:
            ValueError: if a layer is of a class derived from batch norm that is not known here, and
                whose own behaviour would be lost.
        """
        for name, layer in module.named_modules():
            if not isinstance(layer, _BatchNorm) or isinstance(layer, cls):
                continue
            # mmengine's _BatchNormXd is a batch norm without a check of dimensions.
            if type(layer) not in (ABN, *_PLAIN) and type(layer).__name__ != "_BatchNormXd":
                raise ValueError(
                    f"sync_bn: the layer {name or 'given'} is a {type(layer).__name__}, a batch norm "
                    "of its own kind that cannot be synchronised. Use BatchNorm2d or ABN there, or "
                    "leave sync_bn out."
                )
            norm: Any = layer
            norm.slope = getattr(layer, "slope", None)
            norm.__class__ = cls
        return module

    def forward(self, x: Tensor) -> Tensor:
        """Normalise and activate (N, C, ...)."""
        if not self.uses_batch_statistics or not _several_processes():
            return super().forward(x)
        # Sums of half-precision values would lose most of their digits.
        values = x if x.dtype == torch.float64 else x.float()
        mean, var, count = self.batch_moments(values)
        scale = torch.rsqrt(var + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        shape = (1, -1, *(1,) * (x.dim() - 2))
        # One product and one sum, so that autograd keeps no other tensor than the input.
        out = torch.addcmul(shift.view(shape), values, scale.view(shape)).to(x.dtype)
        if self.training:
            self.track(mean.detach(), var.detach(), count)
        return out if self.slope is None else F.leaky_relu(out, self.slope, inplace=True)

    def batch_moments(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Moments of a batch over all processes.

        Args:
            values: (N, C, ...) float; N may be 0.

        Returns:
            (C,) mean, (C,) biased variance, values a channel (a tensor of one); see
            `global_moments`.
        """
        dims = [0, *range(2, values.dim())]
        count = values.numel() // values.shape[1]
        if count:
            var, mean = torch.var_mean(values, dims, correction=0)
        else:  # zeros, through which this process takes part in the backward pass all the same
            var = mean = values.sum(dims)
        return global_moments(mean, var, count)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(
                f"SyncABN got a tensor of shape {tuple(input.shape)}; expected (N, C, ...)."
            )


def _several_processes() -> bool:
    ready = distributed.is_available() and distributed.is_initialized()
    return ready and distributed.get_world_size() > 1
