from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from torch import Tensor

from tresnet_tasks.metrics import (
    MultiLabelMetric,
    average_precision,
    coverage,
    multilabel_scores,
    ranking_loss,
)
from tresnet_tasks.metrics.known_labels import KnownLabels, record_labels
from tresnet_tasks.metrics.multilabel_table import multilabel_table
from tresnet_tasks.registry import METRICS
from tresnet_tasks.structures import ClsDataSample

N, C = 60, 6

# Run on each of two ranks: N images, of which a sampler gives rank 1 the first again.
TWO_RANKS = """
import json, sys
import torch
from tresnet_tasks.metrics import MultiLabelMetric

rank, cases, store = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
torch.distributed.init_process_group(
    "gloo", init_method=f"file://{store}", rank=rank, world_size=2
)
generator = torch.Generator().manual_seed(5)
scores = torch.rand(7, 4, generator=generator)
targets = torch.randint(-1, 2, (7, 4), generator=generator)
metric, found = MultiLabelMetric(per_class=False), []
for unreadable, named in cases:
    own = ([0, 2, 4, 6], [1, 3, 5, 0])[rank]
    samples = []
    for index in own:
        sample = dict(gt_score=targets[index], pred_score=scores[index])
        if named:
            sample.update(sample_idx=index, img_path=f"{index}.png")
        samples.append(None if index in unreadable else sample)
    metric.process(None, samples[:3])
    metric.process(None, samples[3:])
    found.append(metric.evaluate(7))
print(json.dumps(found))
"""


@pytest.fixture
def scores() -> Tensor:
    return (torch.rand(N, C, generator=torch.Generator().manual_seed(0)) * 30).round() / 30


@pytest.fixture
def targets() -> Tensor:
    targets = torch.randint(-1, 2, (N, C), generator=torch.Generator().manual_seed(1))
    targets[:, 4] = torch.tensor([0, -1]).repeat(N // 2)  # a class without positives
    return targets


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(
        "tresnet_tasks.metrics.multilabel.tell", lambda text, **kwargs: lines.append(text)
    )
    return lines


def samples_of(scores: Tensor, targets: Tensor) -> list[ClsDataSample]:
    return [
        ClsDataSample(metainfo={"sample_idx": i}).set_pred_score(s).set_gt_score(y.float())
        for i, (s, y) in enumerate(zip(scores, targets, strict=True))
    ]


def expected_of(scores: Tensor, targets: Tensor, threshold: Any = 0.5) -> dict[str, float]:
    best = multilabel_scores(scores, targets, topk=3)
    return {
        "mAP": average_precision(scores, targets).nanmean().item(),
        **multilabel_scores(scores, targets, threshold),
        **{f"{name}_top3": value for name, value in best.items()},
        "ranking_loss": ranking_loss(scores, targets).mean().item(),
        "coverage": coverage(scores, targets).mean().item(),
    }


@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize("threshold", [0.5, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)])
def test_agrees_with_the_plain_functions(
    scores: Tensor, targets: Tensor, as_dict: bool, threshold: Any
) -> None:
    metric = METRICS.build({"type": "MultiLabelMetric", "threshold": threshold})
    samples = samples_of(scores, targets)
    for start in range(0, N, 16):
        batch = samples[start : start + 16]
        metric.process(None, [s.to_dict() for s in batch] if as_dict else batch)
    found = metric.evaluate(N)
    class_ap = average_precision(scores, targets)
    each = {f"mAP/{c}": class_ap[c].item() for c in range(C) if c != 4}  # 4 has no positives
    assert found == pytest.approx(expected_of(scores, targets, threshold) | each, abs=1e-12)
    torch.testing.assert_close(metric.class_ap, class_ap, equal_nan=True)
    assert metric.class_f1.nanmean().item() == pytest.approx(found["macro_F1"])
    assert metric.class_f1.isnan().tolist() == [False] * 4 + [True, False]


def test_few_known_labels_of_many_classes() -> None:
    generator = torch.Generator().manual_seed(2)
    scores = torch.rand(40, 500, generator=generator)
    targets = torch.full((40, 500), -1)
    for row in targets:
        row[torch.randperm(500, generator=generator)[:6]] = torch.tensor([1, 1, 0, 0, 0, 0])
    metric = MultiLabelMetric(per_class=False)
    metric.process(None, samples_of(scores, targets))
    assert sum(len(records.codes) for records in metric.results) == 240
    assert metric.evaluate(40) == pytest.approx(expected_of(scores, targets), abs=1e-12)


def test_an_image_of_which_nothing_is_known_has_no_ranking(scores: Tensor, targets: Tensor) -> None:
    found = []
    for unknown in (targets[:0], torch.full((3, C), -1)):
        metric = MultiLabelMetric()
        all_scores = torch.cat([scores, torch.rand(len(unknown), C)])
        metric.process(None, samples_of(all_scores, torch.cat([targets, unknown])))
        found.append(metric.evaluate(N + len(unknown)))
    for name in ("coverage", "ranking_loss"):
        assert found[1][name] == pytest.approx(found[0][name], abs=1e-12)


def test_labels_that_hold_are_enough(scores: Tensor) -> None:
    targets = torch.randint(0, 2, (N, C), generator=torch.Generator().manual_seed(3))
    targets[0] = 0  # an image without any label
    samples = [
        ClsDataSample().set_pred_score(s).set_gt_label(y.nonzero().flatten())
        for s, y in zip(scores, targets, strict=True)
    ]
    metric = MultiLabelMetric(per_class=False)
    metric.process(None, samples)
    assert metric.evaluate(N) == pytest.approx(expected_of(scores, targets), abs=1e-12)


def test_known_labels_can_be_looked_at_afterwards(scores: Tensor, targets: Tensor) -> None:
    metric = MultiLabelMetric(per_class=False)
    metric.process(None, samples_of(scores, targets))
    metric.evaluate(N)
    assert isinstance(metric.known_labels, KnownLabels)
    for c in range(C):
        values, positive = metric.known_labels.of_class(c)
        known = targets[:, c] >= 0
        np.testing.assert_array_equal(values, scores[known, c].numpy())
        np.testing.assert_array_equal(positive, targets[known, c].numpy() == 1)


def test_parts_can_be_left_out(scores: Tensor, targets: Tensor, said: list[str]) -> None:
    metric = MultiLabelMetric(topk=None, ranking=False, per_class=False)
    metric.process(None, samples_of(scores, targets)[:10])
    assert list(metric.evaluate(N)) == ["mAP", "CP", "CR", "CF1", "OP", "OR", "OF1", "macro_F1"]


def test_the_threshold_may_be_set_before_evaluate(scores: Tensor, targets: Tensor) -> None:
    metric = MultiLabelMetric(per_class=False)
    metric.process(None, samples_of(scores, targets))
    metric.threshold = torch.full((C,), 0.8)
    assert metric.evaluate(N)["CF1"] == multilabel_scores(scores, targets, 0.8)["CF1"]


def test_runs_in_mmengines_evaluator(scores: Tensor, targets: Tensor) -> None:
    evaluator = Evaluator(MultiLabelMetric(prefix="tags", per_class=False))
    evaluator.dataset_meta = {"classes": tuple("abcdef")}
    evaluator.process(samples_of(scores, targets), None)
    expected = expected_of(scores, targets)
    assert evaluator.evaluate(N) == pytest.approx({f"tags/{k}": v for k, v in expected.items()})


def test_no_prefix_is_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        MultiLabelMetric()
    assert not caplog.records


def test_two_ranks_give_the_scores_of_one(tmp_path: Path) -> None:
    cases = [([], True), ([], False), ([4], True), ([0], True), ([1, 3, 5, 0], True)]
    arguments = [json.dumps(cases), str(tmp_path / "store")]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_RANKS, str(rank), *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    main, other = (json.loads(r.communicate(timeout=120)[0].splitlines()[-1]) for r in ranks)
    generator = torch.Generator().manual_seed(5)
    scores = torch.rand(7, 4, generator=generator)
    targets = torch.randint(-1, 2, (7, 4), generator=generator)
    assert main == other
    for (unreadable, _), found in zip(cases, main, strict=True):
        kept = [i for i in range(7) if i not in unreadable]
        assert found == pytest.approx(expected_of(scores[kept], targets[kept]), abs=1e-12)


def test_images_that_could_not_be_read_do_not_count(scores: Tensor, targets: Tensor) -> None:
    metric = MultiLabelMetric(per_class=False)
    metric.process(None, [None, *samples_of(scores, targets), None])
    metric.process(None, [None])
    assert metric.evaluate(N + 3) == pytest.approx(expected_of(scores, targets))


def test_a_second_evaluation_starts_anew(scores: Tensor, targets: Tensor) -> None:
    metric = MultiLabelMetric(per_class=False)
    metric.process(None, samples_of(scores, targets))
    metric.evaluate(N)
    metric.process(None, samples_of(scores[:20], targets[:20]))
    assert metric.evaluate(20) == pytest.approx(expected_of(scores[:20], targets[:20]))


def test_classes_without_positives_are_said_once(
    scores: Tensor, targets: Tensor, said: list[str]
) -> None:
    metric = MultiLabelMetric(per_class=False)
    metric.dataset_meta = {"classes": ("cat", "dog", "cow", "pig", "yak", "hen")}
    for _ in range(2):
        metric.process(None, samples_of(scores, targets))
        metric.evaluate(N)
    assert len(said) == 1
    assert said[0].startswith("1 of 6 classes have no positive in the evaluation data (yak):")


def test_table_names_the_classes(scores: Tensor, targets: Tensor, said: list[str]) -> None:
    metric = MultiLabelMetric()
    metric.dataset_meta = {"classes": ("[bold]cat", "Hündin", "c", "d", "e", "f")}
    metric.process(None, samples_of(scores, targets))
    metric.evaluate(N)
    lines = said[-1].splitlines()
    cat = next(line for line in lines if "[bold]cat" in line).split()
    assert cat[1] == str(int((targets[:, 0] == 1).sum()))
    assert cat[2] == f"{100 * average_precision(scores, targets)[0].item():.1f}"
    assert next(line for line in lines if line.split()[:1] == ["e"]).split()[1:] == ["0", *"----"]


def test_table_of_many_classes_shows_the_worst() -> None:
    ap = torch.linspace(1, 0, 50, dtype=torch.float64)
    ones = torch.ones(50, dtype=torch.int64)
    text = multilabel_table([f"class{i}" for i in range(50)], ap, ones, ones, ones, rows=3)
    assert "The 3 of 50 classes with the lowest AP" in text
    assert [line.split()[0] for line in text.splitlines()[-3:]] == [
        "class49",
        "class48",
        "class47",
    ]


def test_no_predictions_are_refused() -> None:
    with pytest.raises(ValueError, match="got no predictions"):
        MultiLabelMetric().evaluate(0)


def test_nan_scores_are_refused(scores: Tensor, targets: Tensor) -> None:
    with pytest.raises(ValueError, match="are NaN"):
        MultiLabelMetric().process(None, samples_of(scores * math.nan, targets))


def test_soft_labels_are_refused(scores: Tensor, targets: Tensor) -> None:
    with pytest.raises(ValueError, match="soft targets cannot be scored"):
        MultiLabelMetric().process(None, samples_of(scores, targets * 0.5))


def test_labels_of_other_classes_are_refused(scores: Tensor) -> None:
    with pytest.raises(ValueError, match=r"labels \[2, 6\].*0 to 5"):
        sample = ClsDataSample().set_pred_score(scores[0]).set_gt_label([2, 6])
        MultiLabelMetric().process(None, [sample])
    with pytest.raises(ValueError, match="labels of 3 classes but scores of 6"):
        sample = ClsDataSample().set_pred_score(scores[0]).set_gt_score(torch.zeros(3))
        MultiLabelMetric().process(None, [sample])


def test_another_number_of_classes_than_the_data_is_refused(
    scores: Tensor, targets: Tensor
) -> None:
    metric = MultiLabelMetric()
    metric.dataset_meta = {"classes": ("a", "b")}
    with pytest.raises(ValueError, match="scores 6 classes, but the data set has 2"):
        metric.process(None, samples_of(scores, targets))


def test_thresholds_of_other_classes_are_refused(scores: Tensor, targets: Tensor) -> None:
    with pytest.raises(ValueError, match=r"\(2,\) for 6 classes"):
        MultiLabelMetric(threshold=(0.1, 0.2)).process(None, samples_of(scores, targets))


def test_a_sample_without_labels_or_scores_is_refused(scores: Tensor) -> None:
    with pytest.raises(ValueError, match="neither gt_score nor gt_label"):
        MultiLabelMetric().process(None, [ClsDataSample().set_pred_score(scores[0])])
    with pytest.raises(ValueError, match="no pred_score"):
        MultiLabelMetric().process(None, [ClsDataSample().set_gt_label(0)])


def test_a_bad_topk_is_refused() -> None:
    with pytest.raises(ValueError, match="topk is 0"):
        MultiLabelMetric(topk=0)


@pytest.mark.parametrize("num_classes", [9605, 70000])
def test_a_label_takes_eight_bytes(num_classes: int) -> None:
    scores, targets = torch.rand(3, num_classes), torch.full((3, num_classes), -1)
    targets[:, -2:] = torch.tensor([0, 1])
    records = record_labels(scores, targets, [0, 1, 2], topk=3, ranking=True)
    assert records.codes.nbytes + records.scores.nbytes == 6 * 8
    known = KnownLabels(records, num_classes)
    np.testing.assert_array_equal(known.of_class(num_classes - 1)[0], scores[:, -1].numpy())
    assert known.of_class(num_classes - 1)[1].all()
    assert not known.of_class(num_classes - 2)[1].any()
    assert not len(known.of_class(0)[0])
