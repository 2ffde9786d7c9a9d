"""Answers to a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant.

    Args:
        name: what was got.
        known: what exists.

    Returns:
        ``Did you mean 'x'?``, or, if nothing comes near, the known names (at most 20 of them).
    """
    names = sorted(known)
    by_lower = {candidate.lower(): candidate for candidate in names}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {by_lower[near[0]]!r}?"
    if not names:
        return "There is none to choose from."
    more = ", ..." if len(names) > 20 else ""
    return f"Known are {', '.join(names[:20])}{more}."
