"""Filling in what follows from something else, or checking it where a config states it."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any


def agree(node: MutableMapping[str, Any], key: str, value: Any, owner: str, source: str) -> None:
    """Set ``node[key]``, or refuse one that differs.

    Args:
        node: a part of a config.
        key: the argument.
        value: what it must be.
        owner: what ``node`` is, for the message.
        source: where ``value`` comes from, for the message, such as "the data has".

    Raises:
        ValueError: if ``node`` states another value; None counts as left out.
    """
    stated = node.get(key)
    if stated is None:
        node[key] = value
    elif (list(stated) if isinstance(stated, Sequence) else stated) != value:
        raise ValueError(
            f"{owner} has {key}={stated} but {source} {value}. Set {key}={value}, or leave it out "
            "and it is filled in."
        )
