"""Which labels a head predicts: one an image, or any number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .multi_label import MultiLabel
from .single_label import SingleLabel


def build_label_task(
    task: str,
    num_classes: int,
    loss: Mapping[str, Any] | None = None,
    threshold: float | Sequence[float] | None = None,
) -> SingleLabel | MultiLabel:
    """Build what a head does with its logits.

    Args:
        task: 'single_label' or 'multi_label'.
        num_classes: C.
        loss: config of the loss; None takes the task's own.
        threshold: for 'multi_label', scores above it are predicted; None is 0.5.

    Raises:
        ValueError: for another task, or a threshold where there is none to apply.
    """
    if task == "multi_label":
        return MultiLabel(num_classes, loss, 0.5 if threshold is None else threshold)
    if task != "single_label":
        raise ValueError(f"task={task!r}; expected 'single_label' or 'multi_label'.")
    if threshold is not None:
        raise ValueError(
            f"threshold={threshold} with task='single_label', where the class of the highest score "
            "is predicted. Set task='multi_label', or leave threshold out."
        )
    return SingleLabel(num_classes, loss)
