"""From the labels that a metric has gathered to thresholds that can be stored."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from .calibration import fit_temperature, reliability, reliability_table, scaled_scores
from .known_labels import KnownLabels
from .multilabel import MultiLabelMetric
from .multilabel_scores import class_thresholds, scores_of_counts
from .stored_thresholds import StoredThresholds
from .thresholds import NEVER, known_thresholds


class FoundThresholds(NamedTuple):
    """Thresholds and what is to be said of them.

    Attributes:
        thresholds: to be stored.
        told: one line, what they bring on the data that they were found on.
        table: the reliability table of these data.
    """

    thresholds: StoredThresholds
    told: str
    table: str


def find_thresholds(
    metric: MultiLabelMetric,
    precision: float | None = None,
    temperature: bool = False,
    bins: int = 10,
) -> FoundThresholds:
    """Find the thresholds of all classes.

    Args:
        metric: after ``evaluate``, on the rank that has ``known_labels``.
        precision: see ``best_thresholds``.
        temperature: whether to fit a temperature first.
        bins: of the reliability table.

    Raises:
        ValueError: if the metric has gathered nothing yet.
    """
    known = metric.known_labels
    if known is None:
        raise ValueError("the metric has no labels yet; call evaluate first.")
    fitted = 1.0
    before = scores_at(known, class_thresholds(metric.threshold, known.num_classes))
    if temperature:
        fitted = fit_temperature(known.scores, known.positive)
        known = known.with_scores(scaled_scores(known.scores, fitted))
    values = known_thresholds(known, precision)
    names = (metric.dataset_meta or {}).get("classes") or range(known.num_classes)
    rule = "f1" if precision is None else f"precision {precision:g}"
    stored = StoredThresholds(tuple(map(str, names)), tuple(values.tolist()), fitted, rule)
    after = scores_at(known, values)
    scaled = f" after temperature {fitted:.3f}" if temperature else ""
    told = f"thresholds by {rule}{scaled}, on the data that they were found on: " + ", ".join(
        f"{k} {before[k]:.4f} -> {after[k]:.4f}" for k in ("macro_F1", "CP", "CR")
    )
    never = [name for name, value in zip(stored.classes, values, strict=True) if value >= NEVER]
    if never:
        told += (
            f"\n{len(never)} of {len(stored.classes)} classes do not reach that precision and are "
            f"never predicted: {', '.join(never[:10])}{', ...' if never[10:] else ''}"
        )
    return FoundThresholds(
        stored, told, reliability_table(reliability(known.scores, known.positive, bins))
    )


def scores_at(known: KnownLabels, thresholds: Tensor) -> dict[str, float]:
    """The scores of ``multilabel_scores`` at thresholds (C,)."""
    above = known.above(thresholds)
    return scores_of_counts(
        known.count(above & known.positive), known.count(above), known.count(known.positive)
    )
