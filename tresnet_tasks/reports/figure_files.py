"""Matplotlib without global state: figures that are saved whole, and text in any language."""

from __future__ import annotations

import os
import re
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

# Families that cover what matplotlib's own font lacks (Chinese, Japanese, Korean, ...), on Linux,
# macOS and Windows.
_WIDE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "IPAGothic",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
)


def new_figure(width: float, height: float) -> Any:
    """An empty figure of ``width`` x ``height`` inches that draws into memory.

    Unlike pyplot's it needs no display, belongs to no global list, and is freed like any other
    object.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, path: str | Path, dpi: int = 100) -> Path:
    """Write a figure as PNG; the file appears when it is complete.

    Args:
        figure: made by ``new_figure``.
        path: the file to write; its directory is made if need be.
        dpi: pixels per inch.

    Raises:
        OSError: if the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        figure.savefig(draft, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.2)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def text_style() -> dict[str, Any]:
    """Arguments of texts that show names: fonts of many scripts, no formulas in ``$``."""
    return {"fontfamily": [family for family, _ in _fonts()], "parse_math": False}


def readable(name: str, fallback: str) -> str:
    """``name`` on one line, as far as the installed fonts have its characters.

    The others are left out as ``…``, with ``fallback`` before what is left, since two names may now be the same; where
    nothing is left it is ``fallback`` alone.
    """
    name = " ".join(name.split())
    drawable = [any(ord(char) in chars for _, chars in _fonts()) for char in name]
    if name and all(drawable):
        return name
    kept = "".join(char if known else "…" for char, known in zip(name, drawable, strict=True))
    if not any(char.isalnum() for char in kept):
        return fallback
    return f"{fallback} {re.sub('…+', '…', kept)}".strip()


def shorten(name: str, length: int) -> str:
    """``name`` in at most ``length`` columns, the middle left out where it needs more.

    Wide characters, as Chinese and Japanese have them, take two columns.
    """
    if _columns(name) <= length:
        return name
    head = tail = ""
    while _columns(head + name[len(head)]) <= (length - 1) * 2 // 3:
        head += name[len(head)]
    while _columns(head + name[-len(tail) - 1] + tail) < length:
        tail = name[-len(tail) - 1] + tail
    return f"{head}…{tail}"


def _columns(text: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


@lru_cache(maxsize=1)
def _fonts() -> tuple[tuple[str, frozenset[int]], ...]:
    """The families to draw with, in order, each with the characters that it has."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

    installed = set(fontManager.get_font_names())
    families = ["DejaVu Sans", *(family for family in _WIDE_FONTS if family in installed)]
    return tuple(
        (family, frozenset(get_font(findfont(FontProperties(family=[family]))).get_charmap()))
        for family in families
    )
