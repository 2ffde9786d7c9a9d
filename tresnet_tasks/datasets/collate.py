"""From samples to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.registry import FUNCTIONS as ROOT_FUNCTIONS
from torch.utils.data import get_worker_info

from ..registry import FUNCTIONS
from .by_value import ByValueList
from .stacking import stack_images


# Also in mmengine's own registry: its Runner looks the name up there, whatever the scope.
@ROOT_FUNCTIONS.register_module()
@FUNCTIONS.register_module()
def collate(batch: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """Put samples together.

    Args:
        batch: what the data set gave; None for an image that was left out.

    Returns:
        ``inputs``: (N, 3, H, W) uint8 where all images have one size, else a list of (3, H, W);
        ``data_samples``: a list of N. Of samples in several views, as mmdet's ``TestTimeAug`` makes
        them, a list of such for each of both, a view each.

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
    if isinstance(samples[0]["inputs"], list):
        views = [collate(view) for view in zip(*map(_views, samples), strict=True)]
        return {key: [view[key] for view in views] for key in views[0]}
    inputs = [sample["inputs"] for sample in samples]
    same_size = all(image.shape == inputs[0].shape for image in inputs)
    data_samples = [sample["data_samples"] for sample in samples]
    return {
        "inputs": stack_images(inputs) if same_size else inputs,
        "data_samples": data_samples if get_worker_info() is None else ByValueList(data_samples),
    }


def _views(sample: dict[str, Any]) -> list[dict[str, Any]]:
    """The views of one image, each as a sample."""
    return [dict(zip(sample, values, strict=True)) for values in zip(*sample.values(), strict=True)]
