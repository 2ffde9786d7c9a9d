"""The metrics of all heads in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric, Evaluator

from ..registry import EVALUATORS, METRICS
from ..structures import MultiTaskDataSample
from ..upstream.console import tell


@EVALUATORS.register_module()
class MultiTaskEvaluator(Evaluator):
    """Evaluate each head over the images that have labels for it.

    Scores are called ``HEAD/NAME``. ``save_best`` takes one of them, or ``score``, a weighted sum.

    Args:
        metrics: config of a head's metric, or of several in a list, by the head's name.
        score: weights of scores, such as ``{'cls/top1': 1, 'boxes/AP50': 1}``, which add up to
            ``score``.

    Raises:
        ValueError: if there are no metrics, two of one head's give a score of the same name, or
            ``score`` names one that does not come.
    """

    # The names below this argument are heads', not a registry's.
    def __init__(
        self,
        metrics: Mapping[str, Mapping[str, Any] | Sequence[Mapping[str, Any]]],
        score: Mapping[str, float] | None = None,
    ) -> None:
        if not metrics:
            raise ValueError("MultiTaskEvaluator got no metrics; name one for each head.")
        self.by_head: dict[str, list[BaseMetric]] = {
            head: [
                METRICS.build(dict(config))
                for config in ([given] if isinstance(given, Mapping) else given)
            ]
            for head, given in metrics.items()
        }
        for head, several in self.by_head.items():
            names = [(type(metric).__name__, metric.prefix) for metric in several]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(
                    f"head {head!r} has two metrics of type {twice[0]} with the prefix {twice[1]!r}: "
                    "their scores would have the same names. Give one of them another prefix, or "
                    "leave it out."
                )
        self.score = dict(score or {})
        super().__init__([metric for several in self.by_head.values() for metric in several])

    @property
    def dataset_meta(self) -> dict[str, Any] | None:
        """Metainfo of the data set; each head's metrics get their own part of it."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any]) -> None:
        self._dataset_meta = dataset_meta
        tasks = dataset_meta.get("tasks", {})
        for head, metrics in self.by_head.items():
            if head not in tasks:
                raise ValueError(
                    f"the evaluator has metrics for head {head!r}, but the data have labels for "
                    f"{', '.join(tasks) or 'no head'}. Add such data, or leave its metrics out."
                )
            for metric in metrics:
                metric.dataset_meta = tasks[head]

    def process(
        self, data_samples: Sequence[MultiTaskDataSample], data_batch: Any | None = None
    ) -> None:
        """Hand each head's labelled sub-samples to its metrics."""
        for head, metrics in self.by_head.items():
            found = [sample.task(head) for sample in data_samples if sample.labelled(head)]
            labelled = [part.to_dict() for part in found if part is not None]
            if labelled:
                for metric in metrics:
                    metric.process(None, labelled)

    def evaluate(self, size: int) -> dict[str, float]:
        """The scores of all heads.

        Args:
            size: number of images of the data set; what each head has of them is counted here.
        """
        scores: dict[str, float] = {}
        for head, metrics in self.by_head.items():
            for metric in metrics:
                for name, value in _evaluated(metric, head).items():
                    key = f"{head}/{name}"
                    if key in scores:
                        raise ValueError(
                            f"two metrics of head {head!r} give a score called {name!r}. Give one of "
                            "them a prefix."
                        )
                    scores[key] = value
        unknown = sorted(set(self.score) - set(scores))
        if unknown:
            raise ValueError(
                f"score names {', '.join(unknown)}, but the metrics give {', '.join(scores)}."
            )
        if self.score:
            scores["score"] = sum(weight * scores[key] for key, weight in self.score.items())
        return scores


def _evaluated(metric: BaseMetric, head: str) -> dict[str, float]:
    """What a metric says of all processes' results, however many each has."""
    number = sum(all_gather_object(len(metric.results)))
    if not number:
        tell(f"head {head} had no labelled image to be evaluated on")
        return {}
    tell(f"\nhead {head}", file_only=not getattr(metric, "show_table", False))
    scores: dict[str, float] = metric.evaluate(number)
    return scores
