"""Speed of multi-label mAP at the size of COCO's validation set, beside a loop over scikit-learn and torchmetrics.

All are run in turns in one process, and the fastest round of each counts: others on the machine disturb it least.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tresnet_tasks.metrics import average_precision


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line a way, and how far the results are from scikit-learn's."""
    parser = argparse.ArgumentParser(prog="benchmark map", description=__doc__)
    parser.add_argument("--images", type=int, default=40504, help="default: 40504")
    parser.add_argument("--classes", type=int, default=80, help="default: 80")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(0)
    shape = (args.images, args.classes)
    targets = (torch.rand(shape, generator=generator) < 0.036).int()
    scores = torch.rand(shape, generator=generator) * 0.7 + 0.3 * targets

    ways: dict[str, Callable[[Tensor, Tensor], Any]] = {
        "average_precision": average_precision,
        "scikit-learn in a loop": _sklearn,
    }
    try:
        from torchmetrics.functional.classification import multilabel_average_precision
    except ImportError:
        print("torchmetrics is not installed: left out (pip install torchmetrics)")
    else:
        ways["torchmetrics"] = lambda s, t: multilabel_average_precision(
            s, t, num_labels=args.classes, average=None
        )
    times: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, Any] = {}
    for _ in range(args.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            results[name] = way(scores, targets)
            times[name].append(time.perf_counter() - start)
    expected = np.asarray(results["scikit-learn in a loop"])
    own = min(times["average_precision"])
    print(f"{args.images} images x {args.classes} classes, {args.threads} thread(s)")
    for name, spent in times.items():
        off = np.abs(np.asarray(results[name], dtype=np.float64) - expected).max()
        fastest = min(spent)
        print(f"{name:24} {fastest:7.3f} s  {fastest / own:5.2f} x  off by at most {off:.1e}")
    return 0


def _sklearn(scores: Tensor, targets: Tensor) -> list[float]:
    from sklearn.metrics import average_precision_score

    s, t = scores.numpy(), targets.numpy()
    return [average_precision_score(t[:, c], s[:, c]) for c in range(s.shape[1])]


if __name__ == "__main__":
    raise SystemExit(main())
