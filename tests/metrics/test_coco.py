"""The detection metric: from data samples to scores."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools import mask as mask_library

from tresnet_tasks.metrics import DetectionMetric
from tresnet_tasks.registry import METRICS

MakeUp = Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]
CLASSES = ("class 1", "class 2", "class 3")
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl")


def _samples(
    ground_truth: dict[str, Any], results: list[dict[str, Any]], as_pixels: bool = False
) -> list[dict[str, Any]]:
    """What a model and a pipeline would give."""
    samples = []
    for image in ground_truth["images"]:
        found = [result for result in results if result["image_id"] == image["id"]]
        boxes = np.array([result["bbox"] for result in found]).reshape(-1, 4)
        masks: Any = [result["segmentation"] for result in found]
        if as_pixels and masks:
            pixels = np.stack([mask_library.decode(mask) for mask in masks])
            masks = torch.from_numpy(pixels).bool()
        samples.append(
            dict(
                img_id=image["id"],
                img_path=f"{image['id']}.png",
                sample_idx=image["id"] - 1,
                ori_shape=(image["height"], image["width"]),
                instances=[
                    dict(
                        bbox=[x, y, x + w, y + h],
                        bbox_label=annotation["category_id"] - 1,
                        ignore_flag=annotation["iscrowd"],
                        area=annotation["area"],
                        mask=annotation["segmentation"],
                    )
                    for annotation in ground_truth["annotations"]
                    if annotation["image_id"] == image["id"]
                    for x, y, w, h in [annotation["bbox"]]
                ],
                pred_instances=dict(
                    bboxes=torch.from_numpy(np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])),
                    scores=torch.tensor([r["score"] for r in found], dtype=torch.float64),
                    labels=torch.tensor([r["category_id"] - 1 for r in found], dtype=torch.long),
                    masks=masks,
                ),
            )
        )
    return samples


def _evaluate(samples: list[Any], classes: Any = CLASSES, **kwargs: Any) -> dict[str, float]:
    metric = DetectionMetric(**kwargs)
    metric.dataset_meta = dict(classes=classes)
    for start in range(0, len(samples), 3):
        metric.process(None, samples[start : start + 3])
    return metric.evaluate(len(samples))


@pytest.mark.parametrize("as_pixels", [False, True])
def test_boxes_and_masks_score_as_pycocotools_says(
    made_up: MakeUp, by_pycocotools: Callable[..., Any], as_pixels: bool
) -> None:
    ground_truth, results = made_up()
    metrics = _evaluate(_samples(ground_truth, results, as_pixels), iou_type=("bbox", "segm"))
    for kind, before in (("bbox", ""), ("segm", "segm_")):
        expected = by_pycocotools(ground_truth, results, kind)
        found = [metrics[before + name] for name in NAMES]
        np.testing.assert_allclose(found, expected.stats[:6], rtol=0, atol=1e-6)
        of_class = expected.eval["precision"][:, :, :, 0, -1].mean((0, 1))
        found = [metrics[f"{before}AP/{name}"] for name in CLASSES]
        np.testing.assert_allclose(found, of_class, rtol=0, atol=1e-6)


def test_the_average_precision_of_one_class_can_choose_the_best_checkpoint(
    made_up: MakeUp,
) -> None:
    from tresnet_tasks.training.hooks.chosen_metric import chosen_metric, rule_of

    metrics = _evaluate(_samples(*made_up()))
    assert chosen_metric(metrics, "AP/class 2", "save_best") == "AP/class 2"
    assert chosen_metric(metrics, "auto", "save_best") == "AP"
    assert rule_of("AP/class 2") == "greater"


def test_the_table_names_every_class(made_up: MakeUp, caplog: pytest.LogCaptureFixture) -> None:
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        _evaluate(_samples(*made_up()))
        shown = caplog.text
        _evaluate(_samples(*made_up()), per_class=False)
    finally:
        logger.removeHandler(caplog.handler)
    assert all(name in shown for name in (*CLASSES, "AP75", "mean (%)"))
    assert caplog.text == shown


def test_a_data_sample_of_mmdet_serves_as_its_dict_does(made_up: MakeUp) -> None:
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    plain = _samples(*made_up())
    samples = []
    for sample in plain:
        pred = {k: v for k, v in sample["pred_instances"].items() if k != "masks"}
        meta = {k: v for k, v in sample.items() if k != "pred_instances"}
        samples.append(DetDataSample(metainfo=meta, pred_instances=InstanceData(**pred)))
    assert _evaluate(samples) == _evaluate(plain)


def test_results_are_written_under_the_data_set_s_own_ids(tmp_path: Path, made_up: MakeUp) -> None:
    ground_truth, results = made_up(2)
    samples = _samples(ground_truth, results)
    for sample in samples:
        sample["img_id"] = f"image {sample['img_id']}"
    metric = DetectionMetric(results_file=tmp_path / "new" / "results.json")
    metric.dataset_meta = dict(classes=CLASSES, category_ids=(10, 20, 30))
    metric.process(None, samples)
    metric.evaluate(2)
    written = json.loads((tmp_path / "new" / "results.json").read_text())
    assert len(written) == len(results)
    assert written[0]["image_id"] == f"image {results[0]['image_id']}"
    assert written[0]["category_id"] == 10 * results[0]["category_id"]
    assert written[0]["bbox"] == pytest.approx(results[0]["bbox"])
    assert written[0]["score"] == pytest.approx(results[0]["score"])


def test_a_model_that_finds_nothing_scores_0(made_up: MakeUp) -> None:
    metrics = _evaluate(_samples(made_up()[0], []), iou_type=("bbox", "segm"))
    assert metrics["AP"] == metrics["segm_AP"] == metrics["AP/class 1"] == 0


def test_a_set_without_objects_has_no_score(made_up: MakeUp) -> None:
    ground_truth, results = made_up()
    metrics = _evaluate(_samples({**ground_truth, "annotations": []}, results))
    assert all(math.isnan(value) for value in metrics.values())


def test_an_image_that_could_not_be_read_is_left_out(made_up: MakeUp) -> None:
    samples = _samples(*made_up())
    assert _evaluate([None, *samples, None]) == _evaluate(samples)


def test_results_of_batches_are_reduced_as_they_are(made_up: MakeUp) -> None:
    metric = DetectionMetric()
    metric.dataset_meta = dict(classes=CLASSES)
    samples = _samples(*made_up())
    for sample in samples:
        metric.process(None, [sample])
    assert metric.compute_metrics(metric.results) == _evaluate(samples)


def test_without_any_image_it_says_so() -> None:
    with pytest.raises(ValueError, match="got no predictions"):
        _evaluate([None])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("instances"), r"\(1.png\) has no instances"),
        (lambda s: s.pop("img_id"), r"\(1.png\) has no img_id"),
        (lambda s: s.pop("pred_instances"), r"\(1.png\) has no pred_instances"),
        (lambda s: s["pred_instances"]["scores"].fill_(math.nan), r"in 1.png that are not finite"),
        (lambda s: s["pred_instances"]["bboxes"].fill_(math.inf), r"in 1.png that are not finite"),
        (lambda s: s["pred_instances"]["labels"].fill_(3), "found class 3, but .* has 3 classes"),
    ],
)
def test_a_sample_that_cannot_be_scored_is_named(
    made_up: MakeUp, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    samples = _samples(*made_up())
    assert len(samples[0]["pred_instances"]["labels"])
    change(samples[0])
    with pytest.raises(ValueError, match=said):
        _evaluate(samples)


def test_masks_need_a_model_that_finds_them(made_up: MakeUp) -> None:
    samples = _samples(*made_up())
    samples[0]["pred_instances"].pop("masks")
    with pytest.raises(ValueError, match="the model gives no masks"):
        _evaluate(samples, iou_type="segm")


def test_masks_need_annotated_masks(made_up: MakeUp) -> None:
    samples = _samples(*made_up())
    samples[0]["instances"][0].pop("mask")
    with pytest.raises(ValueError, match="with_masks=True"):
        _evaluate(samples, iou_type="segm")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (dict(iou_type="keypoints"), "must be 'bbox', 'segm' or both"),
        (dict(iou_type=()), "must be 'bbox', 'segm' or both"),
        (dict(backend="mine"), "must be one of faster_coco_eval, pycocotools"),
    ],
)
def test_an_unknown_argument_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        METRICS.build(dict(type="DetectionMetric", **arguments))


def test_without_classes_it_says_what_to_set(made_up: MakeUp) -> None:
    metric = DetectionMetric()
    with pytest.raises(ValueError, match="does not know the classes"):
        metric.process(None, _samples(*made_up()))


@pytest.mark.skipif(sys.platform == "win32", reason="forks processes")
def test_two_ranks_score_as_one(tmp_path: Path, made_up: MakeUp, on_two_ranks: Any) -> None:
    samples = _samples(*made_up(7))
    for sample in samples:
        sample["pred_instances"].pop("masks")

    def work(rank: int) -> None:
        metric = DetectionMetric(per_class=False)
        metric.dataset_meta = dict(classes=CLASSES)
        # A sampler gives rank 1 the first image again.
        metric.process(None, [samples[index] for index in ([0, 2, 4, 6], [1, 3, 5, 0])[rank]])
        (tmp_path / f"{rank}.json").write_text(json.dumps(metric.evaluate(7)))

    assert on_two_ranks(work) == [0, 0]
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert found[0] == found[1] == _evaluate(samples)
