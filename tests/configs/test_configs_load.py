"""Every recipe under configs/ keeps the form that CONTRIBUTING.md asks for, and loads."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from mmengine.config import Config

import tresnet_tasks.registry  # noqa: F401  (some begin with configs of mmdet's)

ROOT = Path(__file__).resolve().parents[2] / "configs"
FILES = (path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
CONFIGS = sorted(path.as_posix() for path in FILES if "_base_" not in path.parts)
MOST_LINES = 80
MOST_LEVELS = 2

every_config = pytest.mark.parametrize("name", CONFIGS)


def _bases(path: Path) -> list[Path]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_base_":
            named = ast.literal_eval(node.value)
            names = [named] if isinstance(named, str) else named
            return [path.parent / base for base in names if "::" not in base]  # mmdet's are its own
    return []


def _levels(path: Path) -> int:
    """How many files deep an inherited value may lie; 0 without a base."""
    return max((1 + _levels(base) for base in _bases(path)), default=0)


def _head(text: str) -> str:
    """The comment or docstring before the first statement."""
    docstring = ast.get_docstring(ast.parse(text))
    return docstring or "\n".join(re.match(r"(?:#.*\n|\s*\n)*", text).group().splitlines())


def test_there_are_configs() -> None:
    assert CONFIGS


@every_config
def test_it_loads_under_our_scope(name: str) -> None:
    assert Config.fromfile(ROOT / name).default_scope == "tresnet_tasks"


@every_config
def test_it_inherits_over_two_levels_at_most(name: str) -> None:
    assert _levels(ROOT / name) <= MOST_LEVELS


@every_config
def test_it_can_be_read_at_one_glance(name: str) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@every_config
def test_its_head_says_how_to_launch_it(name: str) -> None:
    head = _head((ROOT / name).read_text(encoding="utf-8"))
    launch = rf"tools/\w+\.py .*\bconfigs/{re.escape(name)}\b"
    assert re.search(launch, head), f"no launch line in: {head!r}"


@every_config
def test_it_needs_no_custom_imports(name: str) -> None:
    assert "custom_imports" not in Config.fromfile(ROOT / name)
