"""Arguments that go from a config to another library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any

from ..nearest_name import nearest_name


def check_arguments(function: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> None:
    """Check that a callable knows every argument and misses none that it needs.

    Args:
        function: what will be called.
        arguments: keyword arguments for it.
        name: what an error calls it.

    Raises:
        ValueError: naming the argument, and for an unknown one the nearest right name.
    """
    parameters = {
        key: parameter
        for key, parameter in signature(function).parameters.items()
        if parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    }
    open_ended = any(
        parameter.kind is Parameter.VAR_KEYWORD
        for parameter in signature(function).parameters.values()
    )
    for key in arguments:
        if key not in parameters and not open_ended:
            raise ValueError(f"{name} has no argument {key!r}. {nearest_name(key, parameters)}")
    for key, parameter in parameters.items():
        if parameter.default is Parameter.empty and key not in arguments:
            raise ValueError(f"{name} needs the argument {key!r}; add it.")
