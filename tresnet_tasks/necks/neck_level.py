"""One level of a neck's feature maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from ..registry import MODELS


@MODELS.register_module()
class NeckLevel(BaseModule):
    """A neck of which a single feature map is read, such as by a classifier cut out of a joint model.

    Args:
        neck: config of the neck.
        level: which of its feature maps; 0 is the first.
    """

    def __init__(self, neck: Mapping[str, Any], level: int) -> None:
        super().__init__()
        self.neck = MODELS.build(dict(neck))
        self.level = level

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor]:
        """The chosen feature map, as a tuple of one."""
        return (self.neck(feats)[self.level],)
