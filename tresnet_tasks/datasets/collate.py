"""From samples to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.registry import FUNCTIONS as ROOT_FUNCTIONS
from torch.utils.data import get_worker_info

from ..registry import FUNCTIONS
from .by_value import ByValueList


# Also in mmengine's own registry: its Runner looks the name up there, whatever the scope.
@ROOT_FUNCTIONS.register_module()
@FUNCTIONS.register_module()
def collate(batch: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """Put samples together.

    Args:
        batch: what the data set gave; None for an image that was left out.

    Returns:
        ``inputs``: (N, 3, H, W) uint8 where all images have one size, else a list of (3, H, W);
        ``data_samples``: a list of N.

    Raises:
        ValueError: if no sample is left.
    """
    samples = [sample for sample in batch if sample is not None]
    if not samples:
        raise ValueError(
            f"every image of this batch ({len(batch)}) was unreadable; "
            "`dataset.unreadable_files()` names them. "
            "Replace the files, or use a larger batch."
        )
    inputs = [sample["inputs"] for sample in samples]
    same_size = all(image.shape == inputs[0].shape for image in inputs)
    data_samples = [sample["data_samples"] for sample in samples]
    return {
        "inputs": torch.stack(inputs) if same_size else inputs,
        "data_samples": data_samples if get_worker_info() is None else ByValueList(data_samples),
    }
