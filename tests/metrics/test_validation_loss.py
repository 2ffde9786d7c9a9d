from __future__ import annotations

from typing import Any

import pytest
import torch

from tresnet_tasks.metrics import ValidationLoss
from tresnet_tasks.structures import ClsDataSample


def sample(loss: float | None, index: int = 0) -> ClsDataSample:
    made = ClsDataSample(metainfo={"sample_idx": index, "img_path": f"{index}.jpg"})
    if loss is not None:
        made.loss = torch.tensor(loss)
    return made


def evaluate(*batches: list[Any]) -> dict[str, float]:
    metric = ValidationLoss()
    for batch in batches:
        metric.process(None, batch)
    return metric.evaluate(sum(map(len, batches)))


def test_a_batch_counts_by_its_size() -> None:
    found = evaluate([sample(1.0)] * 3, [sample(5.0).to_dict()])
    assert found == {"val/loss": pytest.approx(2.0)}


def test_unreadable_images_are_left_out() -> None:
    assert evaluate([sample(1.0), None], [sample(2.0)]) == {"val/loss": pytest.approx(1.5)}


def test_repeated_samples_of_several_ranks_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tresnet_tasks.metrics.validation_loss.get_world_size", lambda: 2)
    results = [(0, 1.0), (1, 2.0), (0, 1.0)]
    assert ValidationLoss().compute_metrics(results) == {"loss": pytest.approx(1.5)}


def test_a_sample_without_loss_is_an_error_that_says_what_to_set() -> None:
    with pytest.raises(ValueError, match=r"without a loss.*predict_loss=True"):
        evaluate([sample(None)])


def test_an_empty_set_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        ValidationLoss().compute_metrics([])
