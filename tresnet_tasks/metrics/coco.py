"""COCO's average precision of boxes and masks."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric

from ..registry import METRICS
from ..upstream.checkpoints import complete_file
from ..upstream.console import tell
from .coco_results import coco_results, encode_masks
from .coco_scores import BACKENDS, coco_scores
from .detection_table import detection_table
from .sample_identity import sample_identity

_KINDS = {"bbox": ("", "boxes"), "segm": ("segm_", "masks")}


class _Result(NamedTuple):
    """One image: what is on it, and what was found."""

    identity: int
    img_id: int | str
    shape: tuple[int, int]
    instances: list[dict[str, Any]]
    bboxes: Any
    scores: Any
    labels: Any
    masks: list[dict[str, Any]] | None


@METRICS.register_module()
class DetectionMetric(BaseMetric):
    """COCO's average precision: AP, AP50, AP75, by size and by class.

    What is to be found comes from the samples themselves, whatever format they were annotated in:
    ``instances``, as our readers say them, in pixels of the whole image (``PackDetSample`` keeps
    them; mmdet's ``PackDetInputs`` does with ``'instances'`` in its ``meta_keys``). What was found
    is ``pred_instances``: ``bboxes``, ``scores``, ``labels``, ``masks``.

    The result over several ranks is that of one; samples that a sampler repeats to fill the ranks
    are counted once. Objects that are marked to be ignored count as COCO's crowds: what is found
    there is neither right nor wrong.

    Results, in [0, 1]: ``AP``, ``AP50``, ``AP75``, ``APs``, ``APm``, ``APl`` (see ``CocoScores``)
    and ``AP/<class>`` of each class, which ``save_best`` takes as well; of masks the same with
    ``segm_`` before it. NaN where there is nothing to find.

    Args:
        iou_type: 'bbox', 'segm' or both.
        per_class: print the table of the classes (of the worst where there are many).
        results_file: json file for the detections in COCO's format of results, written at each
            evaluation; None writes none.
        backend: 'faster_coco_eval', 'pycocotools', or None for the first that is installed. Both
            give the same numbers.
        prefix: put before the names of the results, as ``prefix/AP``.
        collect_device: 'cpu' or 'gpu', how the ranks exchange their results.
        collect_dir: a directory that all ranks see, for 'cpu'.

    Raises:
        ValueError: for an unknown ``iou_type`` or ``backend``; while processing, for a sample
            without ``instances``, a score or a box that is not finite, a label without a class, an
            object without the mask that 'segm' needs.
    """

    results: list[Any]

    show_table = True  # on the console, not in the log file alone; of validations only at the last

    def __init__(
        self,
        iou_type: str | Sequence[str] = "bbox",
        per_class: bool = True,
        results_file: str | Path | None = None,
        backend: str | None = None,
        prefix: str | None = None,
        collect_device: str = "cpu",
        collect_dir: str | None = None,
    ) -> None:
        # BaseMetric warns about every metric without a prefix; `AP` is meant to stand alone.
        super().__init__(collect_device, prefix or "-", collect_dir)
        self.prefix = prefix
        self.iou_types = (iou_type,) if isinstance(iou_type, str) else tuple(iou_type)
        unknown = [name for name in self.iou_types if name not in _KINDS]
        if unknown or not self.iou_types:
            raise ValueError(f"iou_type is {iou_type!r}; it must be 'bbox', 'segm' or both.")
        if backend not in (None, *BACKENDS):
            raise ValueError(f"backend is {backend!r}; it must be one of {', '.join(BACKENDS)}.")
        self.per_class = per_class
        self.results_file = results_file
        self.backend = backend

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Take in the predictions of one batch.

        Args:
            data_batch: not used.
            data_samples: a ``DetDataSample``, or its dict, for each image; None for one that could
                not be read.
        """
        self.results.append([self._result(s) for s in data_samples if s is not None])

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the scores from all ranks' results and forget these.

        Args:
            size: not used: what the ranks repeat is known by name.
        """
        # One parcel a rank: mmengine would take the batches of the ranks alternately and cut them.
        self.results = [[result for batch in self.results for result in batch]]
        return super().evaluate(sys.maxsize)  # type: ignore[no-any-return]

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Reduce the ranks' results to the scores; also prints the table and writes the file."""
        images = [_Result(*fields) for parcel in results for fields in parcel]
        if not images:
            raise ValueError(
                "DetectionMetric got no predictions: the evaluation set is empty, or none of its "
                "images could be read. Check the data set's path and annotations."
            )
        if get_world_size() > 1:
            images = list({(r.identity, str(r.img_id)): r for r in images}.values())
        # Of equal scores the first image's comes first: in pycocotools' order, whatever the ranks.
        images.sort(key=lambda r: (isinstance(r.img_id, str), r.img_id, r.identity))
        names = self._names()
        if self.results_file is not None:
            self._write(images, Path(self.results_file))
        metrics: dict[str, float] = {}
        for kind in self.iou_types:
            before, what = _KINDS[kind]
            scores = coco_scores(*self._in_coco_format(images, names, kind), kind, self.backend)
            if self.per_class:
                tell(f"\n{what}\n{detection_table(scores, names)}", file_only=not self.show_table)
            metrics |= {f"{before}{key}": value for key, value in scores.summary.items()}
            class_ap = scores.class_ap[:, 0].tolist()
            metrics |= {f"{before}AP/{name}": ap for name, ap in zip(names, class_ap, strict=True)}
        return metrics

    def _result(self, sample: Any) -> _Result:
        missing = [
            name for name in ("pred_instances", "instances", "img_id") if sample.get(name) is None
        ]
        if missing:
            raise ValueError(
                f"a data sample ({sample.get('img_path')}) has no {missing[0]}. DetectionMetric "
                "needs `pred_instances` from the model, `instances` and `img_id` from the data: end "
                "the pipeline with PackDetSample, or name them in the meta_keys of PackDetInputs."
            )
        instances, pred = sample.get("instances"), sample.get("pred_instances")
        bboxes, scores, labels = (
            np.asarray(pred[key].detach().cpu()) for key in ("bboxes", "scores", "labels")
        )
        if not (np.isfinite(bboxes).all() and np.isfinite(scores).all()):
            raise ValueError(
                f"the model found boxes or scores in {sample.get('img_path')} that are not finite; "
                "it has diverged. Lower the learning rate, or go back to an earlier checkpoint."
            )
        count = len(self._names())
        if len(labels) and (labels.min() < 0 or labels.max() >= count):
            raise ValueError(
                f"the model found class {labels.max()}, but the data set has {count} classes "
                f"({', '.join(self._names()[:5])}{', ...' if count > 5 else ''}). Evaluate with "
                "the data that the model was trained for, or set the head's num_classes."
            )
        if "segm" in self.iou_types and "masks" not in pred:
            raise ValueError(
                "the model gives no masks, which iou_type='segm' needs. Evaluate a detector with a "
                "mask head, or iou_type='bbox'."
            )
        return _Result(
            identity=sample_identity(sample),
            img_id=sample.get("img_id"),
            shape=tuple(sample.get("ori_shape")),
            instances=instances,
            bboxes=bboxes,
            scores=scores,
            labels=labels,
            masks=encode_masks(pred["masks"]) if "masks" in pred else None,
        )

    def _names(self) -> list[str]:
        names = (self.dataset_meta or {}).get("classes")
        if names is None:
            raise ValueError(
                "DetectionMetric does not know the classes; set `dataset_meta=dict(classes=[...])`, "
                "as mmengine's loops do from the data set's metainfo."
            )
        return [str(name) for name in names]

    def _in_coco_format(
        self, images: Sequence[_Result], names: Sequence[str], kind: str
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Annotations and detections; images and classes are numbered from 1."""
        ids = range(1, len(names) + 1)
        annotations: list[dict[str, Any]] = []
        results: list[dict[str, Any]] = []
        for number, image in enumerate(images, start=1):
            masks = image.masks if kind == "segm" else None
            results += coco_results(number, image.bboxes, image.scores, image.labels, ids, masks)
            for instance in image.instances:
                x1, y1, x2, y2 = instance["bbox"]
                annotation = {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": ids[instance["bbox_label"]],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": instance.get("area", (x2 - x1) * (y2 - y1)),
                    "iscrowd": int(instance["ignore_flag"]),
                }
                if kind == "segm":
                    if "mask" not in instance:
                        raise ValueError(
                            f"an object in image {image.img_id} has no mask, which iou_type='segm' "
                            "needs. Set with_masks=True for the data set."
                        )
                    annotation["segmentation"] = instance["mask"]
                annotations.append(annotation)
        ground_truth = {
            "images": [
                {"id": number, "height": image.shape[0], "width": image.shape[1]}
                for number, image in enumerate(images, start=1)
            ],
            "annotations": annotations,
            "categories": [{"id": key, "name": name} for key, name in zip(ids, names, strict=True)],
        }
        return ground_truth, results

    def _write(self, images: Sequence[_Result], path: Path) -> None:
        """Write the results under the data set's own ids of images and categories."""
        ids = (self.dataset_meta or {}).get("category_ids") or range(1, len(self._names()) + 1)
        results = [
            result
            for r in images
            for result in coco_results(r.img_id, r.bboxes, r.scores, r.labels, ids, r.masks)
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        with complete_file(path) as temporary:
            temporary.write_text(json.dumps(results), encoding="utf-8")
        tell(f"{len(results)} detections in COCO's format: {path}")
