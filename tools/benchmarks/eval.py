"""Time of COCO's evaluation: faster-coco-eval against pycocotools, and how far their numbers differ.

examples:
  python tools/benchmark.py eval                     # 5,000 images, 35,000 boxes, 350,000 detections
  python tools/benchmark.py eval --images 500        # a tenth of it
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring.options import count, machine
from measuring.results import print_table, write_results

from tresnet_tasks.metrics.coco_scores import BACKENDS, coco_scores

SIDE = 640
CLASSES = 80
BOXES = 7  # an image, as in COCO's val2017
FINDINGS = 10  # a box; one of them near it, the others anywhere


def made_up_detections(images: int, seed: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations and results in COCO's format."""
    rng = np.random.default_rng(seed)
    count = images * BOXES
    image_ids = np.repeat(np.arange(1, images + 1), BOXES)
    labels = rng.integers(1, CLASSES + 1, count)
    # Sizes from 8 to 400 px on a logarithmic scale: small, medium and large ones.
    sizes = np.exp(rng.uniform(np.log(8), np.log(400), (count, 2)))
    boxes = np.hstack([rng.uniform(0, SIDE - sizes), sizes])
    annotations = [
        {
            "id": number,
            "image_id": int(image),
            "category_id": int(label),
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
        }
        for number, (image, label, box) in enumerate(
            zip(image_ids, labels, boxes.tolist(), strict=True), start=1
        )
    ]
    results: list[dict[str, Any]] = []
    for finding in range(FINDINGS):
        shifted = boxes + rng.normal(0, 0.08 if finding == 0 else 1.0, boxes.shape) * sizes.repeat(
            2, axis=1
        )
        shifted[:, 2:] = np.maximum(np.abs(shifted[:, 2:]), 1)
        found = np.where(rng.random(count) < 0.8, labels, rng.integers(1, CLASSES + 1, count))
        scores = rng.beta(4, 2, count) if finding == 0 else rng.beta(1, 6, count)
        results += [
            {
                "image_id": int(image),
                "category_id": int(label),
                "bbox": box,
                "score": float(score),
            }
            for image, label, box, score in zip(
                image_ids, found, shifted.tolist(), scores, strict=True
            )
        ]
    ground_truth = {
        "images": [{"id": i, "height": SIDE, "width": SIDE} for i in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": i, "name": f"class {i}"} for i in range(1, CLASSES + 1)],
    }
    return ground_truth, results


def main(argv: Sequence[str] | None = None) -> int:
    """Print seconds of processor time, their ratio and the largest difference of any score."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py eval",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=count, default=5000, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, help="also write the results to this .json file")
    arguments = parser.parse_args(argv)
    ground_truth, results = made_up_detections(arguments.images)
    about = (
        f"{arguments.images} images, {len(ground_truth['annotations'])} boxes, {len(results)} "
        f"detections, {CLASSES} classes"
    )
    print(about)
    seconds, numbers, rows = {}, {}, []
    for backend in reversed(BACKENDS):
        start = time.process_time()  # both use one thread; other programs do not count
        scores = coco_scores(ground_truth, results, backend=backend)
        seconds[backend] = time.process_time() - start
        numbers[backend] = np.concatenate([list(scores.summary.values()), scores.class_ap.ravel()])
        reference = next(iter(seconds))
        apart = float(np.nanmax(np.abs(numbers[backend] - numbers[reference])))
        row = {"evaluation": backend, "s of processor time": seconds[backend]}
        row |= {f"times less than {reference}": seconds[reference] / seconds[backend]}
        rows.append({**row, "AP": scores.summary["AP"], "scores differ by at most": apart})
    print_table(rows)
    write_results(arguments.out, machine(torch.device("cpu")), rows, [about])
    return 0
