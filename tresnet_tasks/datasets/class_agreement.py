"""Whether the classes that a config states are those of the annotations."""

from __future__ import annotations

from collections.abc import Sequence

from .nearest_name import nearest_name


def check_class_agreement(
    stated: Sequence[str], annotated: Sequence[str], source: str, declared: bool
) -> None:
    """Refuse class names that differ.

    Args:
        stated: the names in the config.
        annotated: the names in the annotations.
        source: what an error calls the annotations.
        declared: the annotations list their classes, so that a stated class that is not listed is a
            mistake; otherwise ``annotated`` is merely what occurs.

    Raises:
        ValueError: with both lists and the nearest match of each name that only one of them has.
    """
    unknown = [name for name in annotated if name not in stated]
    absent = [name for name in stated if name not in annotated] if declared else []
    if not unknown and not absent:
        return
    hints = [f"{name!r} is not among `classes`. {nearest_name(name, stated)}" for name in unknown]
    hints += [
        f"{name!r} is not in the annotations. {nearest_name(name, annotated)}" for name in absent
    ]
    more = f" ({len(hints) - 5} more)" if len(hints) > 5 else ""
    raise ValueError(
        f"the classes of config and annotations differ.\n"
        f"  `classes` ({len(stated)}): {', '.join(stated)}\n"
        f"  {source} ({len(annotated)}): {', '.join(annotated)}\n"
        f"{' '.join(hints[:5])}{more} Correct `classes`, or leave it out and the annotations' names "
        "are taken; strict_classes=False reads the stated classes alone."
    )
