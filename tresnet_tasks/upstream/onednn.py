"""oneDNN's convolution with what follows it, as one operation.

``torch.compile`` uses these operators of torch for inference on CPUs; there is no public way to call
them without compiling. Where they are missing, nothing is packed (they were seen in torch 2.15). To
be dropped when eager torch fuses by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor


def has_fused_convolutions() -> bool:
    """Whether this torch can do what is here."""
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and hasattr(torch.ops.aten, "mkldnn_reorder_conv2d_weight")
    )


def packed_weight(weight: Tensor, padding: int, shape: torch.Size) -> Tensor:
    """A weight in the order in which oneDNN reads it.

    Args:
        weight: (O, C, K, K) float32, of a convolution of stride 1.
        padding: of the convolution.
        shape: (N, C, H, W) of what it will mostly be applied to; others are right too, but slower.

    Returns:
        An opaque tensor, for ``fused_convolution`` alone.
    """
    packed: Tensor = torch.ops.aten.mkldnn_reorder_conv2d_weight(
        weight.to_mkldnn(), [padding] * 2, [1, 1], [1, 1], 1, list(shape)
    )
    return packed


def fused_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    padding: int,
    slope: float | None = None,
    shortcut: Tensor | None = None,
) -> Tensor:
    """A convolution of stride 1 and its activation; or relu(convolution + shortcut).

    Args:
        x: (N, C, H, W) float32, channels_last; on the CPU.
        weight: from ``packed_weight``.
        bias: (O,).
        padding: of the convolution.
        slope: of a leaky ReLU; None for no activation.
        shortcut: (N, O, H', W'), what is added before a ReLU.

    Returns:
        (N, O, H', W'), channels_last. Without gradients.
    """
    operator = torch.ops.mkldnn._convolution_pointwise
    window = ([padding] * 2, [1, 1], [1, 1], 1)  # padding, stride, dilation, groups
    out: Tensor
    if shortcut is not None:
        out = operator.binary(x, shortcut, weight, bias, *window, "add", 1.0, "relu", [], "")
    elif slope is not None:
        out = operator(x, weight, bias, *window, "leaky_relu", [slope], "")
    else:
        out = operator(x, weight, bias, *window, "none", [], "")
    return out
