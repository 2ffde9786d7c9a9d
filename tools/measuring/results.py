"""From numbers to a table and a file."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch

from tresnet_tasks.upstream.checkpoints import complete_file


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of equal keys, aligned."""
    heads = list(rows[0])
    cells = [heads, *([text_of(row[head]) for head in heads] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def write_results(
    path: Path | None,
    machine: str,
    rows: Sequence[Mapping[str, Any]],
    about: Sequence[str] = (),
) -> None:
    """Write rows with what they were made on and by; nothing if ``path`` is None.

    Args:
        path: of the .json file.
        machine: as ``options.machine`` says it.
        rows: of equal keys.
        about: sentences that belong to all of them.
    """
    if path is None:
        return
    content = {
        "command": shlex.join(["tools/benchmark.py", *_without_out(sys.argv[1:])]),
        "date": date.today().isoformat(),
        "machine": machine,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "about": list(about),
        "rows": list(rows),
    }
    with complete_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(f"written: {path}")


def text_of(value: Any) -> str:
    """A number as it is shown: four digits, none where there is none."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _without_out(arguments: Sequence[str]) -> list[str]:
    """The arguments less those that say where the results go."""
    kept = []
    left_out = False
    for word in arguments:
        if left_out:
            left_out = False
        elif word in ("--out", "--figure"):
            left_out = True
        elif not word.startswith(("--out=", "--figure=")):
            kept.append(word)
    return kept
