from __future__ import annotations

import copy
import pickle

import pytest
import torch

from tresnet_tasks.structures import ClsDataSample


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (3, [3]),
        ([1, 4], [1, 4]),
        (torch.tensor(2), [2]),
        (torch.tensor([0, 5]), [0, 5]),
        ([], []),
        (True, [1]),
    ],
)
def test_labels_are_stored_as_a_vector_of_ids(given: object, stored: list[int]) -> None:
    sample = ClsDataSample().set_gt_label(given).set_pred_label(given)  # type: ignore[arg-type]
    for label in (sample.gt_label, sample.pred_label):
        assert label.dtype == torch.int64
        assert label.tolist() == stored
        assert label.dim() == 1


def test_setters_chain_and_keep_scores() -> None:
    score = torch.rand(4)
    sample = ClsDataSample().set_gt_score(score).set_pred_score(score)
    assert torch.equal(sample.gt_score, score)
    assert torch.equal(sample.pred_score, score)


def test_a_score_that_is_no_tensor_is_refused() -> None:
    with pytest.raises(AssertionError):  # mmengine's check of a field's type
        ClsDataSample().set_gt_score([0.5, 0.5])  # type: ignore[arg-type]


def test_absent_fields_are_absent() -> None:
    assert "gt_label" not in ClsDataSample()
    assert "gt_score" not in ClsDataSample().set_gt_label(1)


def test_metainfo_survives_copies_and_pickles() -> None:
    sample = ClsDataSample(metainfo={"img_path": "a b.jpg", "ori_shape": (5, 7)}).set_gt_label(2)
    for other in (copy.deepcopy(sample), pickle.loads(pickle.dumps(sample)), sample.clone()):
        assert other.img_path == "a b.jpg"
        assert other.ori_shape == (5, 7)
        assert other.gt_label.tolist() == [2]
