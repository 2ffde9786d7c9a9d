"""Data moves one way through the rooms, and so do imports: the order that ARCHITECTURE.md draws.

Imports inside functions and under TYPE_CHECKING count too: a lazy import in the wrong direction is
the same knot, found later.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tresnet_tasks

PACKAGE = "tresnet_tasks"
# Rooms on one line of a tuple may not import each other.
GROUND = (("upstream",), ("registry", "config_paths"), ("structures",))
NET = (("kernels",), ("layers",), ("backbones",), ("weights",), ("necks",), ("losses",), ("heads",))
DATA = (("datasets",), ("preprocessing",))
FILES = (("preparing",),)
ABOVE = (("models",), ("metrics",), ("reports",), ("inference",), ("training",), ("commands",))
DRAWING = """\
upstream -> registry, config_paths -> structures
  -> kernels -> layers -> backbones -> weights -> necks -> losses -> heads
  -> datasets -> preprocessing (beside the line above: neither imports the other)
  -> preparing (beside both: it has to do with files alone)
  -> models -> metrics -> reports -> inference -> training -> commands"""
# The front door opens every room, lazily; the other starts the commands.
DOORS = {"__init__", "__main__"}


def _allowed() -> dict[str, set[str]]:
    """For each room those which it may import: all before it on its way."""
    allowed: dict[str, set[str]] = {}
    ground = {room for step in GROUND for room in step}
    for way, before in ((GROUND, set()), (NET, ground), (DATA, ground), (FILES, ground)):
        _walk(way, before, allowed)
    _walk(ABOVE, set(allowed), allowed)
    return allowed


def _walk(way: tuple[tuple[str, ...], ...], before: set[str], allowed: dict[str, set[str]]) -> None:
    seen = set(before)
    for step in way:
        for room in step:
            allowed[room] = {room} | seen
        seen |= set(step)


ALLOWED = _allowed()


def _imported(node: ast.AST, inside: list[str]) -> Iterator[str]:
    """Full dotted names of what ``node`` imports; ``inside`` is the package it stands in."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = inside[: len(inside) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        yield from (f"{module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and node.args:
        name = ast.unparse(node.func).rpartition(".")[2]
        target = node.args[0]
        if name in ("import_module", "__import__") and isinstance(target, ast.Constant):
            relative = str(target.value).lstrip(".")
            level = len(str(target.value)) - len(relative)
            yield ".".join([*(inside[: len(inside) - level + 1] if level else []), relative])


def _room(name: str) -> str | None:
    """The room that a dotted name lies in; None for other packages and for the front door."""
    parts = name.split(".")
    if parts[0] != PACKAGE or len(parts) == 1:
        return None
    room = tresnet_tasks._HOMES.get(parts[1], parts[1])
    return None if room.startswith("__") else room


def violations(package: Path) -> list[str]:
    """Every import in ``package`` that goes against the order, as ``file:line: what``."""
    found = []
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        if relative.parts[0] == "configs":  # a wheel's; data, not code
            continue
        room = relative.parts[0].removesuffix(".py")
        if room in DOORS:
            continue
        if room not in ALLOWED:
            found.append(f"{PACKAGE}/{relative}:1: {room} has no place in the order; give it one")
            continue
        inside = [PACKAGE, *relative.parent.parts]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in _imported(node, inside):
                target = _room(name)
                if target is not None and target not in ALLOWED[room]:
                    found.append(f"{PACKAGE}/{relative}:{node.lineno}: {room} imports {name}")
    return found


def test_every_import_follows_the_order() -> None:
    found = violations(Path(tresnet_tasks.__file__).parent)
    if found:
        told = ["", "The order, each imports only what stands before it:", DRAWING]
        pytest.fail("\n".join([*found, *told]))


@pytest.mark.parametrize(
    "statement",
    [
        "from ..models import Classifier",
        "from .. import models",
        "import tresnet_tasks.models.classifier",
        "from tresnet_tasks.datasets import ImageFolder",
        "def f():\n    from ..training import launch",
        "from tresnet_tasks import Predictor",
        "import_module('tresnet_tasks.metrics')",
        "importlib.import_module('..reports', __package__)",
    ],
)
def test_an_import_against_the_order_is_found(statement: str, tmp_path: Path) -> None:
    (tmp_path / "heads").mkdir()
    (tmp_path / "heads" / "linear_head.py").write_text(statement)
    assert len(violations(tmp_path)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "from ..losses import SoftCrossEntropy",
        "from .pooling import GlobalPool",
        "from .. import __version__",
        "from ..registry import MODELS",
        "from mmengine.models import x",
        "import torch",
    ],
)
def test_an_import_with_the_order_is_not(statement: str, tmp_path: Path) -> None:
    (tmp_path / "heads").mkdir()
    (tmp_path / "heads" / "linear_head.py").write_text(statement)
    assert violations(tmp_path) == []


def test_upstream_imports_nothing_of_ours() -> None:
    assert ALLOWED["upstream"] == {"upstream"}


def test_a_room_without_a_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "attic").mkdir()
    (tmp_path / "attic" / "box.py").write_text("")
    assert "attic has no place" in violations(tmp_path)[0]
