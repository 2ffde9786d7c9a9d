"""Predictions written into a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def check_writable(path: Path) -> None:
    """Make the folder of ``path``, and see that a file can be written there.

    Raises:
        ValueError: if none can.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise ValueError(
            f"--out {path} cannot be written: {error.strerror or error}. Name a file in a folder that you may write "
            "into; the folder is made if need be."
        ) from error


def write_results(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write what ``to_dict`` of the predictions gave, as .json or .csv; the file appears when it is complete."""
    from ..upstream.checkpoints import complete_file

    with (
        complete_file(path) as temporary,
        # surrogateescape: file names go out as the bytes that they are
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        if path.suffix.lower() == ".json":
            import json

            if rows and "detections" in rows[0]:
                from ..inference.detections import result_list

                rows = result_list(rows)
            json.dump(rows, file, indent=1, ensure_ascii=False)
        else:
            import csv

            csv.writer(file, lineterminator="\n").writerows(_table(rows))


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[list[Any]]:
    """Lines of a CSV file, the header first."""
    if rows and "labels" in rows[0]:
        from ..inference.tags import tag_rows

        yield from tag_rows(rows)
        return
    if rows and "detections" in rows[0]:
        from ..inference.detections import detection_rows

        yield from detection_rows(rows)
        return
    if rows and "tasks" in rows[0]:
        from ..inference.joint import joint_rows

        yield from joint_rows(rows)
        return
    width = len(rows[0]["top"]) if rows else 1
    more = [f"{key}_{rank}" for rank in range(2, width + 1) for key in ("class_name", "score")]
    yield ["path", "class_id", "class_name", "score", *more]
    for row in rows:
        rest = [top[key] for top in row["top"][1:] for key in ("class_name", "score")]
        yield [row["path"], row["class_id"], row["class_name"], row["score"], *rest]
