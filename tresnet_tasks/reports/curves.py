"""Loss, learning rate and validation scores over the course of a training."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from ..metrics.class_details import is_class_detail
from .figure_files import new_figure, save_figure

# What mmengine notes beside the losses and scores, and is no curve of interest.
_BOOKKEEPING = {"data_time", "time", "memory", "epoch", "iter", "step", "eta", "grad_norm"}
# More names than these would hide the curves, and there are no more colours of the usual kind.
_FEW = 10
_ACROSS = 4  # panels side by side

_Curve = list[tuple[float, float]]


def draw_curves(scalars: str | Path, path: str | Path, title: str = "") -> Path:
    """Draw loss, learning rate and validation scores.

    Args:
        scalars: mmengine's ``<work_dir>/<time>/vis_data/scalars.json``, one JSON object a line. A
            last line that was cut short is ignored. A point that is noted twice (a resumed run)
            counts as noted last.
        path: the PNG file to write.
        title: stands above the curves.

    Returns:
        ``path``.

    Raises:
        FileNotFoundError: if ``scalars`` does not exist.
        ValueError: if it holds no curves.
        OSError: if the file cannot be written.
    """
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    losses, rates, scores, by_epoch = _read_curves(Path(scalars))
    panels: list[tuple[str, str, dict[str, _Curve]]] = []
    if losses:
        panels.append(("training loss", "iteration", losses))
    if rates:
        panels.append(("learning rate", "iteration", rates))
    scores = {name: c for name, c in scores.items() if not is_class_detail(name, scores)}
    for head, of_head in sorted(_by_head(scores).items()):
        # Scores in [0, 1] are told from others (a loss, a perplexity), which would flatten them.
        unit = {name: curve for name, curve in of_head.items() if all(not v > 1 for _, v in curve)}
        other = {name: curve for name, curve in of_head.items() if name not in unit}
        name = f"validation: {head}" if head else "validation"
        for curves in (unit, other):
            if curves:
                panels.append((name, "epoch" if by_epoch else "iteration", curves))
    if not panels:
        raise ValueError(
            f"{scalars} holds no losses and no scores; it must be the scalars.json of a "
            "training run."
        )
    columns = min(len(panels), _ACROSS)
    rows = -(-len(panels) // columns)
    figure = new_figure(5 * columns, 3.8 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes, (name, unit_of_x, curves) in zip(grid, panels, strict=False):
        beside = {}
        if len(curves) > _FEW:
            axes.set_prop_cycle(color=colormaps["tab20"](range(20)))
            beside = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
        for label, curve in sorted(curves.items()):
            x, y = zip(*curve, strict=True)
            axes.plot(
                x, y, label=label, linewidth=1.5, marker="o" if len(x) <= 30 else None, markersize=3
            )
        axes.set_title(name, fontsize=11)
        axes.set_xlabel(unit_of_x)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, frameon=False, **beside)
        if curves is rates:
            axes.set_ylim(bottom=0)
    if title:
        figure.suptitle(title, parse_math=False)
    figure.tight_layout()
    return save_figure(figure, path)


def _by_head(scores: dict[str, _Curve]) -> dict[str, dict[str, _Curve]]:
    """The scores of each head of a joint model, which begin with its name; '' for all others."""
    found: dict[str, dict[str, _Curve]] = defaultdict(dict)
    for name, curve in scores.items():
        head, _, rest = name.rpartition("/")
        found[head][rest] = curve
    return found


def _read_curves(
    file: Path,
) -> tuple[dict[str, _Curve], dict[str, _Curve], dict[str, _Curve], bool]:
    """Losses, learning rates and scores by name, and whether the scores are counted by epoch."""
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} does not exist; give the vis_data/scalars.json below a training's work "
            "directory."
        )
    points: dict[str, dict[str, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    last_iteration, last_score = 0.0, 0.0
    for line in file.read_text(encoding="utf-8").splitlines():
        record = _parse(line)
        # A training line says its iteration; a validation line has the scores and a step.
        trained = "iter" in record
        step = record.get("iter", record.get("step"))
        if not isinstance(step, (int, float)):
            continue
        if trained:
            last_iteration = max(last_iteration, step)
        else:
            last_score = max(last_score, step)
        for name, value in record.items():
            if name in _BOOKKEEPING or not isinstance(value, (int, float)):
                continue
            kind = "scores"
            if trained:
                kind = "rates" if name.endswith("lr") else "losses" if "loss" in name else ""
            if kind:
                points[kind][name][step] = value if math.isfinite(value) else math.nan
    found = {
        kind: {name: sorted(curve.items()) for name, curve in points[kind].items()}
        for kind in ("losses", "rates", "scores")
    }
    rates = found["rates"]
    # mmengine notes the rate twice, as lr and as base_lr; one of equal curves is enough.
    if "lr" in rates:
        rates = {n: c for n, c in rates.items() if n == "lr" or c != rates["lr"]}
    # mmengine counts scores in epochs or in iterations and does not say which.
    by_epoch = last_score < last_iteration or not last_iteration
    return found["losses"], rates, found["scores"], by_epoch


def _parse(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
