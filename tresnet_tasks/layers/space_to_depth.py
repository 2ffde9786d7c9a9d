"""The stem's rearrangement of pixels into channels."""

from __future__ import annotations

from torch import Tensor, nn

from ..upstream.compiled_views import as_compiled


class SpaceToDepth(nn.Module):
    """Move each 4x4 patch into the channels: (N, C, H, W) -> (N, 16 C, H / 4, W / 4).

    Output channel (dy * 4 + dx) * C + c holds pixel (dy, dx) of input channel c.
    ``torch.nn.PixelUnshuffle`` orders them as c * 16 + dy * 4 + dx, so published weights need this
    layer.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Rearrange (N, C, H, W); H and W must be multiples of 4."""
        n, c, h, w = x.shape
        x = x.view(n, c, h // 4, 4, w // 4, 4)
        x = x.permute(0, 3, 5, 1, 2, 4)
        return as_compiled(x.reshape(n, c * 16, h // 4, w // 4))
