"""``--cfg-options key=value``: from words of the command line to a changed config."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config

from .checks import TOP_LEVEL, nearest


def apply_overrides(cfg: Config, words: Sequence[str]) -> None:
    """Change a config in place.

    Args:
        cfg: as read.
        words: ``key=value``, such as ``train_cfg.max_epochs=3``; a number in a key is an index into a list. A value
            is what Python makes of it (``3``, ``1e-3``, ``None``, ``[1,2]``, ``(224,224)``, ``{'type': 'SGD'}``,
            ``"3"`` for the text); ``true`` and ``false`` in any case; ``a,b`` and ``[a,b]`` are lists of words;
            anything else is the text as it is.

    Raises:
        ValueError: for a word that is no ``key=value``, for a key whose first part is no setting, and for a list
            index or a place that does not exist.
    """
    options: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ValueError(
                f"--cfg-options got {word!r}; expected key=value, such as train_cfg.max_epochs=3."
            )
        first = key.split(".")[0]
        if first not in TOP_LEVEL:
            if first in cfg:
                raise ValueError(
                    f"--cfg-options got {word!r}, but {first!r} is a variable of the config file: what is made of it "
                    "is settled when the file has been read. Change the settings that it is used for, such as "
                    "train_dataloader.dataset.data_root."
                )
            raise ValueError(
                f"--cfg-options got the unknown key {first!r}. {nearest(first, TOP_LEVEL)}"
            )
        options[key] = parse_value(value)
    try:
        cfg.merge_from_dict(options)
    except (KeyError, TypeError, AttributeError) as error:
        reason = error.args[0] if error.args else type(error).__name__
        if "exceeds the length of list" in str(reason):
            reason = f"{reason}. A list grows in a config alone: x = [*_base_.x, dict(...)]"
        raise ValueError(
            f"--cfg-options {' '.join(words)} do not fit the config: {reason}"
        ) from error


def parse_value(text: str) -> Any:
    """The value that a word stands for; see ``apply_overrides``."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    if text[:1] + text[-1:] in ("[]", "()"):
        items = [parse_value(item.strip()) for item in text[1:-1].split(",") if item.strip()]
        return items if text[0] == "[" else tuple(items)
    # A comma may be part of a path.
    if "," in text and "/" not in text and "\\" not in text:
        return [parse_value(item.strip()) for item in text.split(",")]
    return text
