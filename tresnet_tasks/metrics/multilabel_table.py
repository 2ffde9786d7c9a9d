"""The scores of the classes as text."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from torch import Tensor

_TABLE_ROWS = 20  # with more classes only the worst are shown


def multilabel_table(
    names: Sequence[str],
    ap: Tensor,
    hits: Tensor,
    predicted: Tensor,
    support: Tensor,
    rows: int = _TABLE_ROWS,
) -> str:
    """Lay out the scores of the classes as a table.

    Args:
        names: (C,) names of the classes.
        ap: (C,) average precision, NaN where there is none.
        hits: (C,) right predictions.
        predicted: (C,) all predictions.
        support: (C,) positives.
        rows: with more classes than this only the ``rows`` of lowest AP are listed, the worst
            first; of these none without positives.

    Returns:
        Plain text, a line a class, in percent.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = list(range(len(names)))
    title = None
    if len(shown) > rows:
        present = support.nonzero().flatten().tolist()
        shown = sorted(present, key=lambda i: (ap[i].item(), i))[:rows]
        title = f"The {len(shown)} of {len(names)} classes with the lowest AP"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("class", max_width=40, no_wrap=True)
    for column in ("positives", "AP", "precision", "recall", "F1"):
        table.add_column(column, justify="right")
    for i in shown:
        right, said, there = int(hits[i]), int(predicted[i]), int(support[i])
        if there:
            values = (ap[i].item(), right / max(said, 1), right / there, 2 * right / (said + there))
            cells = [f"{100 * value:.1f}" for value in values]
        else:
            cells = ["-"] * 4
        # As Text, because a name may hold what rich takes for markup.
        table.add_row(Text(names[i]), str(there), *cells)
    text = StringIO()
    Console(file=text, width=100, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().strip("\n").splitlines())
