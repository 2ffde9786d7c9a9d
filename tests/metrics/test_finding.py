from __future__ import annotations

import torch

from tresnet_tasks.metrics import MultiLabelMetric, find_thresholds
from tresnet_tasks.structures import ClsDataSample


def test_classes_that_miss_a_wanted_precision_are_told() -> None:
    metric = MultiLabelMetric()
    metric.dataset_meta = {"classes": ("good", "bad")}
    scores = torch.tensor([[0.9, 0.9], [0.1, 0.1], [0.2, 0.8]])
    targets = torch.tensor([[1.0, 0], [0, 1], [0, 0]])
    metric.process(
        None,
        [
            ClsDataSample(metainfo={"sample_idx": i}).set_pred_score(s).set_gt_score(y)
            for i, (s, y) in enumerate(zip(scores, targets, strict=True))
        ],
    )
    metric.evaluate(3)
    told = find_thresholds(metric, precision=0.9).told
    assert "1 of 2 classes do not reach that precision and are never predicted: bad" in told
