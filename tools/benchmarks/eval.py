"""Time of COCO's evaluation: faster-coco-eval against pycocotools, and how far their numbers differ.

python tools/benchmark.py eval                     # 5,000 images, 35,000 boxes, 350,000 detections
python tools/benchmarks/eval.py --images 500       # a tenth of it
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

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
    parser = argparse.ArgumentParser(prog="benchmark.py eval", description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    arguments = parser.parse_args(argv)
    ground_truth, results = made_up_detections(arguments.images)
    print(
        f"{arguments.images} images, {len(ground_truth['annotations'])} boxes, "
        f"{len(results)} detections, {CLASSES} classes"
    )
    seconds, numbers = {}, {}
    for backend in BACKENDS:
        start = time.process_time()  # both use one thread; other programs do not count
        scores = coco_scores(ground_truth, results, backend=backend)
        seconds[backend] = time.process_time() - start
        numbers[backend] = np.concatenate([list(scores.summary.values()), scores.class_ap.ravel()])
        print(
            f"  {backend:18} {seconds[backend]:7.1f} s of processor time   AP {scores.summary['AP']:.6f}"
        )
    fast, slow = BACKENDS
    difference = np.nanmax(np.abs(numbers[fast] - numbers[slow]))
    print(
        f"{fast} takes {seconds[slow] / seconds[fast]:.1f} times less time; the scores differ by "
        f"at most {difference:.1e}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
