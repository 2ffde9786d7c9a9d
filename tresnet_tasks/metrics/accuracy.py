"""Top-k accuracy of single-label classification, with a table and a confusion matrix."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ..registry import METRICS, VISUALIZERS
from ..upstream.console import tell
from .classification_scores import PerClassScores, confusion_matrix, per_class_scores, target_ranks
from .sample_identity import sample_identity

_TABLE_ROWS = 20  # with more classes only the worst are shown

# identity of the image, right class, predicted class, rank of the right class
_Result = tuple[int, int, int, int]


@METRICS.register_module()
class Accuracy(BaseMetric):
    """Top-k accuracy, a table of the classes and a confusion matrix.

    Reads ``gt_label`` (one label) and ``pred_score`` (C,) of each data sample, given as
    ``ClsDataSample`` or dict. Of tied scores the lower class index comes first. Only three integers
    are kept of a sample, so the result over several ranks is exact; samples that a sampler repeats
    to fill the ranks are counted once (by ``sample_idx`` where the samples have it, else by their
    number).

    After ``evaluate``, ``confusion_matrix`` holds the (C, C) int64 counts (row = right class) on
    the main rank.

    Args:
        topk: the values of k; a k above the number of classes counts as that number.
        per_class: print support, precision, recall and F1 of each class (of the worst where there
            are many).
        confusion: keep the confusion matrix, and draw it if ``out_dir`` is set.
        out_dir: where ``confusion_matrix.png`` is written; None writes nothing. It may be set at
            any time before ``evaluate``, as an attribute.
        prefix: put before the names of the results, as ``prefix/top1``.
        collect_device: 'cpu' or 'gpu', how the ranks exchange their results.
        collect_dir: a directory that all ranks see, for 'cpu'.

    Raises:
        ValueError: if ``topk`` is empty or holds a k below 1; while processing, for a NaN score, a
            sample without exactly one label, a label that is not a class.
    """

    show_table = True  # on the console, not in the log file alone; of validations only at the last

    def __init__(
        self,
        topk: int | Sequence[int] = (1, 5),
        per_class: bool = True,
        confusion: bool = True,
        out_dir: str | Path | None = None,
        prefix: str | None = None,
        collect_device: str = "cpu",
        collect_dir: str | None = None,
    ) -> None:
        # BaseMetric warns about every metric without a prefix; `top1` is meant to stand alone.
        super().__init__(collect_device, prefix or "-", collect_dir)
        self.prefix = prefix
        self.topk = (topk,) if isinstance(topk, int) else tuple(topk)
        if not self.topk or min(self.topk) < 1:
            raise ValueError(f"topk is {self.topk}; give at least one k, each at least 1.")
        self.per_class = per_class
        self.confusion = confusion
        self.out_dir = out_dir
        self.confusion_matrix: Tensor | None = None
        self._num_classes: int | None = None
        self._size = 0
        self._said_limit = False

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Take in the predictions of one batch.

        Args:
            data_batch: not used.
            data_samples: a ``ClsDataSample``, or its dict, for each image; None for one that could
                not be read.
        """
        samples = [sample for sample in data_samples if sample is not None]
        if not samples:
            return
        scores = torch.stack([_field(sample, "pred_score").detach() for sample in samples])
        targets = torch.cat([_single_label(sample) for sample in samples]).to(scores.device)
        self._check_num_classes(scores.shape[1])
        ranks = target_ranks(scores, targets)
        pred = _first_argmax(scores)
        for sample, *numbers in zip(
            samples, targets.tolist(), pred.tolist(), ranks.tolist(), strict=True
        ):
            self.results.append((sample_identity(sample), *numbers))

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the scores from all ranks' results and forget these.

        Args:
            size: the number of images of the data set.
        """
        # Everything is collected and the repeated samples are dropped by name: once an unreadable
        # image is left out, cutting the list at `size`, as mmengine does, keeps a repeated one.
        self._size = size
        return super().evaluate(sys.maxsize)  # type: ignore[no-any-return]

    def compute_metrics(self, results: list[_Result]) -> dict[str, float]:
        """Reduce the collected results to ``top1``, ``top5``, ... in [0, 1].

        Also prints the table and draws the confusion matrix.
        """
        names = (self.dataset_meta or {}).get("classes")
        if self._num_classes is None and names is not None:
            self._num_classes = len(names)  # this rank had no readable image, others had
        if not results or self._num_classes is None:
            raise ValueError(
                "Accuracy got no predictions: the evaluation set is empty, or none of its "
                "images could be read. Check the data set's path and annotations."
            )
        if get_world_size() > 1:
            results = self._without_repeats(results)
        _, targets, pred, ranks = torch.tensor(results).unbind(dim=1)
        matrix = confusion_matrix(pred, targets, self._num_classes)
        self.confusion_matrix = matrix if self.confusion else None
        if self.per_class:
            table = per_class_table(per_class_scores(matrix), self._class_names())
            tell(f"\n{table}", file_only=not self.show_table)
        if self.confusion and self.out_dir is not None:
            self._draw(matrix, Path(self.out_dir) / "confusion_matrix.png")
        return {f"top{k}": (ranks < k).double().mean().item() for k in self.topk}

    def _without_repeats(self, results: list[_Result]) -> list[_Result]:
        """Drop what a sampler repeated so that every rank has as many samples as the others."""
        if all(identity >= 0 for identity, *_ in results):
            return list({result[0]: result for result in results}.values())
        return results[: self._size] if self._size else results

    def _check_num_classes(self, found: int) -> None:
        names = (self.dataset_meta or {}).get("classes")
        if names is not None and len(names) != found:
            raise ValueError(
                f"the model scores {found} classes, but the data set has {len(names)} "
                f"({', '.join(map(str, names[:5]))}{', ...' if len(names) > 5 else ''}). "
                "Evaluate with the data that the model was trained for, or set the head's "
                "num_classes."
            )
        if self._num_classes not in (None, found) and self.results:
            raise ValueError(f"got scores of {found} classes after scores of {self._num_classes}.")
        self._num_classes = found
        large = [k for k in self.topk if k > found]
        if large and not self._said_limit:
            self._said_limit = True
            tell(
                f"There are only {found} classes, so {' and '.join(f'top{k}' for k in large)} "
                "is always 1.",
            )

    def _class_names(self) -> list[str]:
        names = (self.dataset_meta or {}).get("classes")
        return [str(name) for name in names or range(self._num_classes or 0)]

    def _draw(self, matrix: Tensor, path: Path) -> None:
        # By name, because reports stands after metrics in the order of imports.
        draw = VISUALIZERS.get("draw_confusion_matrix")
        draw(matrix.numpy(), self._class_names(), path)
        tell(f"Confusion matrix drawn: {path}")


def per_class_table(scores: PerClassScores, names: Sequence[str], rows: int = _TABLE_ROWS) -> str:
    """Lay out the scores of the classes as a table.

    Args:
        scores: of C classes.
        names: (C,) names of the classes.
        rows: with more classes than this only the ``rows`` of lowest F1 are listed, the worst
            first.

    Returns:
        Plain text, a line a class and one for the mean over the classes that occur.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = list(range(len(names)))
    title = None
    if len(shown) > rows:
        present = scores.support.nonzero().flatten().tolist()
        shown = sorted(present, key=lambda i: (scores.f1[i].item(), i))[:rows]
        title = f"The {len(shown)} of {len(names)} classes with the lowest F1"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("class", max_width=40, no_wrap=True)
    for column in ("support", "precision", "recall", "F1"):
        table.add_column(column, justify="right")
    columns = (scores.precision, scores.recall, scores.f1)
    for i in shown:
        values = [f"{100 * column[i].item():.1f}" for column in columns]
        # As Text, because a name may hold what rich takes for markup.
        table.add_row(Text(names[i]), str(int(scores.support[i])), *values)
    occurs = scores.support > 0
    table.add_section()
    means = [f"{100 * column[occurs].mean().item():.1f}" for column in columns]
    table.add_row("mean (%)", str(int(scores.support.sum())), *means)
    text = StringIO()
    Console(file=text, width=100, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().strip("\n").splitlines())


def _first_argmax(scores: Tensor) -> Tensor:
    """Index of the first maximum of each row; ``argmax`` does not say which of several it takes."""
    index = torch.arange(scores.shape[1], device=scores.device)
    best = scores == scores.amax(dim=1, keepdim=True)
    return torch.where(best, index, scores.shape[1]).amin(dim=1)


def _field(sample: Any, name: str) -> Tensor:
    value = sample.get(name)
    if value is None:
        raise ValueError(f"a data sample has no {name}; Accuracy needs gt_label and pred_score.")
    return torch.as_tensor(value)


def _single_label(sample: Any) -> Tensor:
    label = _field(sample, "gt_label").reshape(-1)
    if len(label) != 1:
        raise ValueError(
            f"a data sample has {len(label)} labels ({label.tolist()}); Accuracy is for images "
            "with exactly one. Use a multi-label metric."
        )
    return label
