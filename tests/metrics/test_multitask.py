"""Each head's metrics in one run."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tresnet_tasks.metrics import MultiTaskEvaluator
from tresnet_tasks.structures import ClsDataSample, MultiTaskDataSample

METRICS: dict[str, Any] = {
    "one": {"type": "Accuracy", "topk": (1,)},
    "two": [{"type": "Accuracy", "topk": (1,)}, {"type": "ValidationLoss"}],
}
META = {"tasks": {name: {"classes": ("a", "b")} for name in METRICS}}


def sample(index: int, **labels: int) -> MultiTaskDataSample:
    """Class 1 is always predicted, at a loss of the image's number."""
    made = MultiTaskDataSample()
    for head in METRICS:
        part = ClsDataSample(metainfo={"sample_idx": index, "img_path": f"{index}.jpg"})
        part.set_pred_score(torch.tensor([0.2, 0.8]))
        part.loss = torch.tensor(float(index))
        if head in labels:
            part.set_gt_label(labels[head])
        made.set_task(head, part)
    return made


def evaluate(*samples: MultiTaskDataSample, **settings: Any) -> dict[str, float]:
    evaluator = MultiTaskEvaluator(METRICS, **settings)
    evaluator.dataset_meta = META
    evaluator.process(list(samples))
    return evaluator.evaluate(len(samples))


def test_each_head_is_evaluated_over_its_labelled_images_under_its_name() -> None:
    found = evaluate(sample(0, one=1, two=0), sample(1, one=0), sample(2, two=1))
    assert found == {"one/top1": 0.5, "two/top1": 0.5, "two/val/loss": 1.0}


def test_a_head_without_labels_has_no_score() -> None:
    assert evaluate(sample(0, one=1)) == {"one/top1": 1.0}


def test_score_is_the_weighted_sum() -> None:
    found = evaluate(sample(4, one=1, two=1), score={"one/top1": 2.0, "two/val/loss": -0.5})
    assert found["score"] == pytest.approx(0.0)


def test_a_score_of_a_name_that_does_not_come_is_refused() -> None:
    with pytest.raises(ValueError, match=r"score names one/top5.*one/top1"):
        evaluate(sample(0, one=1, two=1), score={"one/top5": 1.0})


def test_metrics_of_a_head_whose_names_would_collide_are_refused_before_the_run() -> None:
    twice = [{"type": "Accuracy", "topk": (1,)}, {"type": "Accuracy", "topk": (1,)}]
    with pytest.raises(ValueError, match="'one' has two metrics of type Accuracy with the prefix"):
        MultiTaskEvaluator({"one": twice})
    MultiTaskEvaluator({"one": [twice[0], {**twice[1], "prefix": "again"}]})


def test_heads_may_have_metrics_of_one_name() -> None:
    assert {"one/top1", "two/top1"} < set(evaluate(sample(0, one=1, two=1)))


def test_metrics_for_a_head_without_data_are_refused() -> None:
    evaluator = MultiTaskEvaluator(METRICS)
    with pytest.raises(
        ValueError, match="metrics for head 'two', but the data have labels for one"
    ):
        evaluator.dataset_meta = {"tasks": {"one": {"classes": ("a", "b")}}}
