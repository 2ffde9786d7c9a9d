"""Results as curves, one a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tresnet_tasks.upstream.checkpoints import complete_file


def draw_results(rows: Sequence[Mapping[str, Any]], whats: Sequence[str], path: Path) -> None:
    """Draw columns against the one of size, batch and arch that varies, side by side.

    Args:
        rows: with `network`, `size`, `batch`, `arch` and the columns.
        whats: names of the columns.
        path: of the picture; its suffix says the format.
    """
    from matplotlib.figure import Figure

    axis = next(
        (k for k in ("size", "batch", "arch") if len({row[k] for row in rows}) > 1), "batch"
    )
    figure = Figure(figsize=(1 + 4.5 * len(whats), 4), layout="constrained")
    for axes, what in zip(figure.subplots(1, len(whats), squeeze=False)[0], whats, strict=True):
        for name in dict.fromkeys(row["network"] for row in rows):
            mine = [row for row in rows if row["network"] == name]
            places = [str(row[axis]) for row in mine]
            axes.plot(places, [row[what] for row in mine], "o-", label=name)
        axes.set(xlabel=axis, ylabel=what, ylim=(0, None))
        axes.legend()
    with complete_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".") or "png")
    print(f"written: {path}")
