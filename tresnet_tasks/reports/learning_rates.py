"""Pictures of learning rates: of a run to come, and of the search for a good one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .figure_files import new_figure, save_figure

_MOST_NAMES = 12


def draw_schedule(
    positions: Sequence[float],
    unit: str,
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    path: str | Path,
    title: str = "",
) -> Path:
    """Draw what the schedules make of the learning rate and momentum of each group.

    Args:
        positions: where in the run, one number a point.
        unit: of the positions.
        curves: for each panel (``learning rate``, ``momentum``) the curves by the name of the group.
        path: the PNG file to write.
        title: stands above the panels.

    Returns:
        ``path``.
    """
    figure = new_figure(7 * len(curves), 4)
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, (name, groups) in zip(panels, curves.items(), strict=True):
        for number, (group, values) in enumerate(groups.items()):
            label = group if number < _MOST_NAMES else None
            axes.plot(positions, values, label=label, linewidth=1.5)
        axes.set_title(name, fontsize=11)
        axes.set_xlabel(unit)
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
        if len(groups) > 1:
            axes.legend(fontsize=8, frameon=False)
    if title:
        figure.suptitle(title, parse_math=False)
    figure.tight_layout()
    return save_figure(figure, path)


def draw_lr_search(
    rates: Sequence[float],
    losses: Sequence[float],
    suggestion: float | None,
    path: str | Path,
) -> Path:
    """Draw the loss over the learning rate, which is on a logarithmic axis.

    An explosion at the end is cut off, so that the descent before it is seen.

    Args:
        rates: rising.
        losses: as many, smoothed.
        suggestion: a rate to mark; None for none.
        path: the PNG file to write.

    Returns:
        ``path``.
    """
    figure = new_figure(7, 4)
    axes = figure.subplots()
    axes.plot(rates, losses, linewidth=1.5)
    if suggestion is not None:
        axes.axvline(suggestion, color="tab:red", linestyle="--", label=f"{suggestion:.2g}")
        axes.legend(frameon=False)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss, smoothed")
    start, least = max(losses[: max(1, len(losses) // 10)]), min(losses)
    # At least a quarter of the loss: mere noise is to look flat.
    span = max(start - least, abs(start) / 4) or 1.0
    axes.set_ylim(least - 0.1 * span, start + 0.5 * span)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    return save_figure(figure, path)
