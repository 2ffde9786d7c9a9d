"""The average precision of the classes as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import StringIO

from .coco_scores import CocoScores

_TABLE_ROWS = 20  # with more classes only the worst are shown


def detection_table(scores: CocoScores, names: Sequence[str], rows: int = _TABLE_ROWS) -> str:
    """Lay out the average precision of the classes as a table.

    Args:
        scores: of C classes.
        names: (C,) names of the classes.
        rows: with more classes than this only the ``rows`` of lowest AP are listed, the worst
            first; of these none without objects.

    Returns:
        Plain text, a line a class and one for all, in percent.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = list(range(len(names)))
    title = None
    if len(shown) > rows:
        present = [i for i in shown if scores.support[i]]
        shown = sorted(present, key=lambda i: (scores.class_ap[i, 0], i))[:rows]
        title = f"The {len(shown)} of {len(names)} classes with the lowest AP"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("class", max_width=40, no_wrap=True)
    for column in ("objects", "AP", "AP50", "AP75"):
        table.add_column(column, justify="right")
    for i in shown:
        cells = [_percent(value) for value in scores.class_ap[i]]
        # As Text, because a name may hold what rich takes for markup.
        table.add_row(Text(names[i]), str(scores.support[i]), *cells)
    table.add_section()
    means = [_percent(scores.summary[key]) for key in ("AP", "AP50", "AP75")]
    table.add_row("mean (%)", str(scores.support.sum()), *means)
    text = StringIO()
    Console(file=text, width=100, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().strip("\n").splitlines())


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"
