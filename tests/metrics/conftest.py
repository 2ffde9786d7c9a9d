"""Detections made up for the tests of COCO's scores, and pycocotools as their oracle."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as mask_library
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def _made_up(images: int = 8, seed: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations of 3 classes with crowds, and detections near them and elsewhere, with masks."""
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []

    def outline(box: np.ndarray) -> list[list[float]]:
        x, y, w, h = (float(number) for number in box)
        return [[x, y, x + w, y, x + w, y + h, x, y + h]]

    for image in range(1, images + 1):
        for _ in range(int(rng.integers(0, 6))):
            size = np.exp(rng.uniform(np.log(8), np.log(190), 2))
            box = np.concatenate([rng.uniform(0, 200 - size), size])
            label = int(rng.integers(1, 4))
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image,
                    category_id=label,
                    bbox=box.tolist(),
                    area=float(size.prod()) * 0.9,
                    iscrowd=int(rng.random() < 0.1),
                    segmentation=outline(box),
                )
            )
            for spread in (0.03, 0.1, 0.6):
                near = box + rng.normal(0, spread, 4) * size.repeat(2)
                near[2:] = np.maximum(near[2:], 1)
                results.append(
                    dict(
                        image_id=image,
                        category_id=label if rng.random() < 0.8 else int(rng.integers(1, 4)),
                        bbox=near.tolist(),
                        score=float(np.round(rng.random(), 2)),  # with ties
                        segmentation=mask_library.merge(
                            mask_library.frPyObjects(outline(near), 200, 200)
                        ),
                    )
                )
    ground_truth = dict(
        images=[dict(id=image, height=200, width=200) for image in range(1, images + 1)],
        annotations=annotations,
        categories=[dict(id=label, name=f"class {label}") for label in (1, 2, 3)],
    )
    return ground_truth, results


def _by_pycocotools(
    ground_truth: dict[str, Any], results: list[dict[str, Any]], iou_type: str
) -> COCOeval:
    truth = COCO()
    truth.dataset = copy.deepcopy(ground_truth)
    truth.createIndex()
    without = "segmentation" if iou_type == "bbox" else "bbox"
    found = [{k: v for k, v in result.items() if k != without} for result in results]
    evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(found)), iou_type)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


@pytest.fixture
def made_up() -> Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]:
    """A factory of annotations and detections in COCO's format."""
    return _made_up


@pytest.fixture
def by_pycocotools() -> Callable[..., COCOeval]:
    """pycocotools' own evaluation, from annotations, detections and 'bbox' or 'segm'."""
    return _by_pycocotools
