"""Which scores are a class's part of another."""

from __future__ import annotations

from collections.abc import Container


def is_class_detail(name: str, names: Container[str]) -> bool:
    """Tell whether a score is a class's part of another, as ``AP/person`` is of ``AP``.

    There may be thousands of them: the table shows them, a line or a picture of scores does not.

    Args:
        name: of the score.
        names: of all scores.
    """
    return any(name[:i] in names for i, character in enumerate(name) if character == "/")
