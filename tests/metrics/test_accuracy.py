from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.evaluator import Evaluator
from PIL import Image

from tresnet_tasks.metrics import Accuracy, confusion_matrix, topk_accuracy
from tresnet_tasks.metrics.accuracy import per_class_table
from tresnet_tasks.metrics.classification_scores import per_class_scores
from tresnet_tasks.registry import METRICS
from tresnet_tasks.structures import ClsDataSample

# Run on each of two ranks: 5 images, of which a sampler gives rank 1 the first again.
TWO_RANKS = """
import json, sys
import torch
from tresnet_tasks.metrics import Accuracy

rank, cases, store = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
torch.distributed.init_process_group(
    "gloo", init_method=f"file://{store}", rank=rank, world_size=2
)
metric, found = Accuracy(topk=(1,), per_class=False), []
for unreadable, named in cases:
    for index in ([0, 2, 4], [1, 3, 0])[rank]:
        score = [0.2, 0.8] if index in (0, 1) else [0.9, 0.1]
        sample = dict(gt_label=torch.tensor([1]), pred_score=torch.tensor(score))
        if named:
            sample.update(sample_idx=index, img_path=f"{index}.png")
        metric.process(None, [None if index in unreadable else sample])
    result = metric.evaluate(5)
    found.append([result["top1"], metric.confusion_matrix.tolist() if rank == 0 else None])
print(json.dumps(found))
"""


def sample(label: int, scores: list[float], **meta: Any) -> ClsDataSample:
    found = ClsDataSample(metainfo=meta)
    return found.set_gt_label(label).set_pred_score(torch.tensor(scores))


def random_samples(count: int, classes: int) -> tuple[torch.Tensor, torch.Tensor, list[Any]]:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(count, classes, generator=generator)
    targets = torch.randint(0, classes, (count,), generator=generator)
    samples = [
        sample(int(t), s.tolist(), sample_idx=i)
        for i, (t, s) in enumerate(zip(targets, scores, strict=True))
    ]
    return scores, targets, samples


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(
        "tresnet_tasks.metrics.accuracy.tell", lambda text, **kwargs: lines.append(text)
    )
    return lines


@pytest.mark.parametrize("as_dict", [False, True])
def test_metric_agrees_with_the_plain_functions(as_dict: bool) -> None:
    scores, targets, samples = random_samples(50, 8)
    metric = METRICS.build({"type": "Accuracy"})
    for start in range(0, 50, 16):
        batch = samples[start : start + 16]
        metric.process(None, [s.to_dict() for s in batch] if as_dict else batch)
    expected = topk_accuracy(scores, targets, (1, 5))
    assert metric.evaluate(50) == {"top1": expected[1], "top5": expected[5]}
    assert torch.equal(metric.confusion_matrix, confusion_matrix(scores.argmax(dim=1), targets, 8))


def test_metric_runs_in_mmengines_evaluator() -> None:
    evaluator = Evaluator(Accuracy(topk=1))
    evaluator.dataset_meta = {"classes": ("a", "b")}
    evaluator.process([sample(1, [0.1, 0.9])], None)
    assert evaluator.evaluate(1) == {"top1": 1.0}


def test_a_second_evaluation_starts_anew() -> None:
    metric = Accuracy(topk=1)
    metric.process(None, [sample(0, [0.1, 0.9])])
    metric.evaluate(1)
    metric.process(None, [sample(1, [0.1, 0.9])])
    assert metric.evaluate(1) == {"top1": 1.0}
    assert metric.confusion_matrix is not None and metric.confusion_matrix.sum() == 1


def test_images_that_could_not_be_read_do_not_count() -> None:
    metric = Accuracy(topk=1)
    metric.process(None, [None, sample(1, [0.1, 0.9]), None])
    metric.process(None, [None])
    assert metric.evaluate(4) == {"top1": 1.0}


def test_the_same_index_in_one_process_counts_twice() -> None:
    metric = Accuracy(topk=1)  # e.g. two data sets in a row
    metric.process(None, [sample(1, [0.1, 0.9], sample_idx=0), sample(1, [0.9, 0.1], sample_idx=0)])
    assert metric.evaluate(2) == {"top1": 0.5}


def test_two_ranks_count_every_image_once(tmp_path: Path) -> None:
    # Unreadable images, whether the samples say which image they are, right and wrong predictions.
    cases = [([], True, 2, 3), ([], False, 2, 3), ([2], True, 2, 2), ([0], True, 1, 3)]
    arguments = [json.dumps([case[:2] for case in cases]), str(tmp_path / "store")]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_RANKS, str(rank), *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    main, other = (json.loads(r.communicate(timeout=120)[0].splitlines()[-1]) for r in ranks)
    for (_, _, right, wrong), (top1, matrix), (told, _) in zip(cases, main, other, strict=True):
        assert top1 == told == pytest.approx(right / (right + wrong))
        assert matrix == [[0, 0], [wrong, right]]


def test_prefix_is_put_before_the_names() -> None:
    metric = Accuracy(topk=1, prefix="cls")
    metric.process(None, [sample(1, [0.1, 0.9])])
    assert metric.evaluate(1) == {"cls/top1": 1.0}


def test_no_prefix_is_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Accuracy()
    assert not caplog.records


def test_k_above_the_number_of_classes_is_said_once(said: list[str]) -> None:
    metric = Accuracy(topk=(1, 5), per_class=False)
    for _ in range(3):
        metric.process(None, [sample(1, [0.9, 0.1])])
    assert metric.evaluate(3) == {"top1": 0.0, "top5": 1.0}
    assert said == ["There are only 2 classes, so top5 is always 1."]


def test_table_names_the_classes(said: list[str]) -> None:
    metric = Accuracy(topk=1)
    metric.dataset_meta = {"classes": ("[bold]cat", "Hündin")}
    metric.process(None, [sample(0, [0.9, 0.1]), sample(1, [0.9, 0.1])])
    metric.evaluate(2)
    rows = [line.split() for line in said[0].splitlines()]
    assert ["[bold]cat", "1", "50.0", "100.0", "66.7"] in rows
    assert ["Hündin", "1", "0.0", "0.0", "0.0"] in rows


def test_table_of_many_classes_shows_the_worst() -> None:
    matrix = torch.diag(torch.full((50,), 10))
    matrix[30, 31] = 5
    table = per_class_table(per_class_scores(matrix), [f"class-{i}" for i in range(50)], rows=3)
    shown = [line.split()[0] for line in table.splitlines() if "class-" in line]
    assert shown == ["class-30", "class-31", "class-0"]


def test_matrix_is_drawn_where_asked(tmp_path: Path) -> None:
    metric = Accuracy(topk=1)
    metric.out_dir = tmp_path / "reports"
    metric.dataset_meta = {"classes": ("a", "b")}
    metric.process(None, [sample(1, [0.1, 0.9])])
    metric.evaluate(1)
    with Image.open(tmp_path / "reports" / "confusion_matrix.png") as picture:
        assert min(picture.size) > 200


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (sample(0, [float("nan"), 1.0]), "NaN"),
        (sample(2, [0.5, 0.5]), "got target 2"),
        (ClsDataSample().set_gt_label([0, 1]).set_pred_score(torch.zeros(2)), "has 2 labels"),
        (ClsDataSample().set_gt_label(0), "has no pred_score"),
    ],
)
def test_bad_samples_are_refused(bad: ClsDataSample, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Accuracy().process(None, [bad])


def test_model_and_data_of_different_classes_are_refused() -> None:
    metric = Accuracy()
    metric.dataset_meta = {"classes": ("a", "b", "c")}
    with pytest.raises(ValueError, match=r"scores 2 classes, but the data set has 3 \(a, b, c\)"):
        metric.process(None, [sample(0, [0.5, 0.5])])


def test_evaluation_without_any_image_is_refused() -> None:
    with pytest.raises(ValueError, match="got no predictions"):
        Accuracy().evaluate(0)


@pytest.mark.parametrize("topk", [0, (), (1, -1)])
def test_bad_topk_is_refused(topk: Any) -> None:
    with pytest.raises(ValueError, match="at least"):
        Accuracy(topk=topk)
