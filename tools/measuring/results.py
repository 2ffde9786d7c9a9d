"""From numbers to a table and a file."""

from __future__ import annotations

import json
import platform
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
    cells = [heads, *([_text(row[head]) for head in heads] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def write_results(path: Path | None, machine: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with what they were made on and by; nothing if ``path`` is None."""
    if path is None:
        return
    content = {
        "command": " ".join(sys.argv),
        "date": date.today().isoformat(),
        "machine": machine,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "rows": list(rows),
    }
    with complete_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(f"written: {path}")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
