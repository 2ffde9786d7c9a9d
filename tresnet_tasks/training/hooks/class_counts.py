"""How often each class occurs, told before training."""

from __future__ import annotations

from io import StringIO
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from numpy.typing import NDArray

from ...registry import HOOKS


@HOOKS.register_module()
class ClassCountsHook(Hook):
    """Prints for how many training images each class holds, and warns of classes that never do.

    Args:
        rows: with more classes than this, only the rarest and the commonest are listed, half each.
    """

    def __init__(self, rows: int = 20) -> None:
        self.rows = rows

    def before_train(self, runner: Any) -> None:
        """Print the table, if the data set tells its labels."""
        dataset = runner.train_dataloader.dataset
        if not hasattr(dataset, "label_counts"):
            return
        held, known = dataset.label_counts()
        names = [str(name) for name in dataset.metainfo["classes"]]
        runner.logger.info(f"\n{counts_table(names, held, known, len(dataset), self.rows)}")
        absent = [name for name, number in zip(names, held, strict=True) if not number]
        if absent:
            few = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
            runner.logger.warning(
                f"{len(absent)} of {len(names)} classes hold for no training image and cannot be "
                f"learnt: {few}"
            )


def counts_table(
    names: list[str],
    held: NDArray[np.int64],
    known: NDArray[np.int64] | None,
    num_images: int,
    rows: int = 20,
    heading: str = "Training labels",
) -> str:
    """Lay out how often classes occur as a table, the rarest first.

    Args:
        names: (C,) of the classes.
        held: (C,) for how many images each holds.
        known: (C,) for how many images that is known; None if ``held`` counts boxes, of which the
            share is then told.
        num_images: of the data set.
        rows: see ``ClassCountsHook``.
        heading: begins the line above the table.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    order = np.argsort(held, kind="stable").tolist()
    left_out = max(0, len(order) - rows)
    first = -(-rows // 2) if left_out else len(order)
    title = (
        f"{heading}: {num_images} images, {len(names)} classes, "
        f"{held.sum() / max(num_images, 1):.2f} {'labels' if known is not None else 'boxes'} an image"
    )
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("class", max_width=40, no_wrap=True)
    columns = ("boxes", "share") if known is None else ("positives", "share", "known")
    for column in columns:
        table.add_column(column, justify="right")
    for position in (*range(first), *range(first + left_out, len(order))):
        if left_out and position == first + left_out:
            table.add_row(f"... {left_out} more")
        c = order[position]
        total = held.sum() if known is None else known[c]
        share = f"{100 * held[c] / max(total, 1):.2f} %"
        table.add_row(Text(names[c]), str(held[c]), share, *([] if known is None else [str(total)]))
    text = StringIO()
    Console(file=text, width=100, color_system=None).print(table)
    lines = [title, "", *text.getvalue().strip("\n").splitlines()]
    return "\n".join(line.rstrip() for line in lines)
